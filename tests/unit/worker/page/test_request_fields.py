import html
import json
import re
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from carteiro.tasks.discovery import find_tasks
from carteiro.worker.page.request_fields import non_null_schema, request_fields

TASKS = {task.name: task for task in find_tasks()}


class SomeRequest(BaseModel):
    """Request with a field of each kind."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"long_text": "a <b>", "style": "free", "words": ["one", "two"]}]}
    )

    text_field: ClassVar = "long_text"

    long_text: str
    short: str = Field(max_length=9)
    language: str = Field(pattern="^[a-z]+(-[a-z]+)*$")
    style: Literal["free", "strict"] | None = None
    tone: Literal["warm", "cold"] | None = None
    words: list[str]
    depth: int
    hidden: str | None = None
    options: str


def fields_of(request: type[BaseModel] = SomeRequest, *, first: bool = True) -> str:
    task: Any = SimpleNamespace(name="some", request=request, streams=False)
    return request_fields(task, "llm", first=first)


def field(name: str, text: str) -> str:
    """Return the HTML of one labelled field."""
    (found,) = re.findall(rf'<div class="field">(?:(?!</div>).)*data-field="{name}".*?</div>', text, re.DOTALL)
    return str(found)


def test_required_text_is_a_textarea_with_the_escaped_example() -> None:
    text = field("long_text", fields_of())
    assert '<label for="some-long_text">Long text</label>' in text
    assert ">a &lt;b&gt;</textarea>" in text


@pytest.mark.parametrize("name", ["short", "language"])
def test_short_text_is_one_line(name: str) -> None:
    assert f'<input id="some-{name}" value=""' in field(name, fields_of())


def test_choice_has_its_options_with_the_example_selected() -> None:
    text = field("style", fields_of())
    assert re.findall(r"<option[^>]*>", text) == ['<option value="free" selected>', '<option value="strict">']


def test_choice_without_a_value_may_be_left_out() -> None:
    text = field("tone", fields_of())
    assert '<option value="">any</option>' in text
    assert "selected" not in text


def test_list_of_texts_is_separated_by_commas() -> None:
    text = field("words", fields_of())
    assert 'value="one, two"' in text
    assert 'data-kind="list"' in text


def test_list_of_texts_or_objects_is_separated_by_commas_too() -> None:
    text = field("labels", request_fields(TASKS["classify"], "llm", first=True))
    assert 'value="sport, politics, cooking"' in text


def test_texts_of_a_task_are_one_a_line() -> None:
    text = field("texts", request_fields(TASKS["embed"], "llm", first=True))
    (example, *_) = TASKS["embed"].request.model_json_schema()["examples"]
    assert "\n".join(example["texts"]) in html.unescape(text)
    assert 'data-kind="lines"' in text


@pytest.mark.parametrize("name", ["depth", "hidden", "options"])
def test_field_that_needs_json_or_is_optional_has_no_input(name: str) -> None:
    assert f'data-field="{name}"' not in fields_of()


def test_last_message_of_a_conversation_is_the_field() -> None:
    text = field("messages", request_fields(TASKS["chat"], "llm", first=True))
    example = TASKS["chat"].request.model_json_schema()["examples"][0]
    assert f">{html.escape(example['messages'][-1]['content'])}</textarea>" in text
    assert 'data-kind="message"' in text
    assert ">Message</label>" in text


@pytest.mark.parametrize("name", TASKS)
def test_record_is_the_first_example_and_its_topic_is_named(name: str) -> None:
    text = request_fields(TASKS[name], "shop", first=True)
    (record,) = re.findall(r'<textarea id="[^"]+-record"[^>]*>(.*?)</textarea>', text, re.DOTALL)
    TASKS[name].request.model_validate(json.loads(html.unescape(record)))
    assert f"<code>shop.{name}.requests</code>" in text


def test_only_the_first_task_is_shown_and_enabled() -> None:
    opening = re.compile(r"<fieldset[^>]*>")
    assert " hidden disabled>" in opening.findall(fields_of(first=False))[0]
    assert "hidden" not in opening.findall(fields_of())[0]


def test_record_is_open_only_if_there_are_no_fields() -> None:
    class Number(BaseModel):
        text_field: ClassVar = "number"

        """Request that has to be written as JSON."""

        depth: int

    assert "<details open>" in fields_of(Number)
    assert "<details>" in fields_of()


def test_type_next_to_null_is_that_of_the_field() -> None:
    assert non_null_schema({"anyOf": [{"type": "null"}, {"type": "string"}]}) == {"type": "string"}
    assert non_null_schema({"type": "integer"}) == {"type": "integer"}
    assert non_null_schema({"anyOf": [{"type": "null"}]}) == {"anyOf": [{"type": "null"}]}
