"""Requests from command line arguments."""

import pytest

from carteiro.cli.request_options import OptionInvalid, error_line, read_attachments, read_defaults
from carteiro.schemas import REQUESTS, FieldError
from tests import media

ALONE = {
    "generate": {"prompt": "A text."},
    "chat": {"messages": [{"role": "user", "content": "A text."}]},
    "answer": {"context": "A text."},
    "summarize": {"text": "A text."},
}


@pytest.mark.parametrize("task", ALONE)
def test_text_is_enough_for_a_request(task):
    assert read_defaults(task, {}, {}).apply_to("A text.") == ALONE[task]


def test_only_a_question_on_a_collection_needs_no_text() -> None:
    question = {"question": "How long can goods be returned?"}
    assert read_defaults("answer", question | {"collection": "handbook"}, {}).complete
    assert not read_defaults("answer", question, {}).complete
    assert not read_defaults("answer", {"collection": "handbook"}, {}).complete
    assert not read_defaults("translate", {"target": "pt"}, {}).complete


def test_options_override_the_request_and_keep_the_rest():
    defaults = read_defaults("translate", {"target": "pt", "source": None}, {"wait": "24h", "model": None})
    given = {"text": "Hi", "target": "de", "options": {"seed": 1, "wait": "1h"}}
    assert defaults.apply_to(given) == {"text": "Hi", "target": "pt", "options": {"seed": 1, "wait": "24h"}}
    assert given["options"] == {"seed": 1, "wait": "1h"}, "another line may share it"


def test_value_that_is_not_an_object_is_left_for_validation():
    assert read_defaults("summarize", {}, {"seed": 1}).apply_to({"text": "x", "options": 5})["options"] == 5
    assert read_defaults("chat", {"system": "Be brief."}, {}).apply_to({"messages": "x"}) == {"messages": "x"}


def test_default_instructions_are_added():
    assert read_defaults("generate", {"system": "Be brief."}, {}).apply_to("x") == {
        "prompt": "x",
        "system": "Be brief.",
    }
    messages = read_defaults("chat", {"system": "Be brief."}, {}).apply_to("x")["messages"]
    assert [each["role"] for each in messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("task", "fields", "options", "says"),
    [
        ("summarize", {}, {"wait": "soon"}, "--wait: must be a number and s, m, h or d"),
        ("summarize", {}, {"wait": "0h"}, "--wait: "),
        ("summarize", {}, {"temperature": 9.0}, "--temperature: must be at most 2"),
        ("translate", {"target": "portuguese"}, {}, "--to: must be a language tag"),
        ("summarize", {"target": "pt"}, {}, "--to: is not an option of summarize, but of translate"),
        ("summarize", {"system": "x"}, {}, "--system: is not an option of summarize, but of chat and generate"),
    ],
)
def test_invalid_option_is_reported(task, fields, options, says):
    with pytest.raises(OptionInvalid, match=says):
        read_defaults(task, fields, options)


@pytest.mark.parametrize("task", REQUESTS)
def test_required_fields_are_not_read_from_options(task):
    assert read_defaults(task, {}, {"wait": "24h"}).options == {"wait": "24h"}


def test_text_next_to_a_collection_is_the_question():
    defaults = read_defaults("answer", {"collection": "docs", "filter": {"tenant": "north"}}, {})
    assert defaults.apply_to("How long?") == {
        "question": "How long?",
        "collection": "docs",
        "filter": {"tenant": "north"},
    }
    chat = read_defaults("chat", {"collection": "docs"}, {}).apply_to("How long?")
    assert REQUESTS["chat"].model_validate(chat).search_text == "How long?"


def test_error_of_the_whole_request_is_a_sentence():
    problem = FieldError(field="request", reason="needs either context or attachments, or collection")
    assert error_line("answer", problem) == "the request needs either context or attachments, or collection"


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "photo.png").write_bytes(media.PNG)
    return tmp_path / "photo.png"


def test_files_and_addresses_are_attached(photo):
    attachments = read_attachments([str(photo), "s3://letters/a.pdf"])
    image = {"data": media.encoded(media.PNG), "name": "photo.png"}
    assert attachments == [image, {"uri": "s3://letters/a.pdf"}]
    generate = read_defaults("generate", {"attachments": attachments}, {})
    assert generate.apply_to("Why?") == {"prompt": "Why?", "attachments": attachments}
    chat = read_defaults("chat", {"attachments": attachments, "system": "Be brief."}, {})
    system, user = chat.apply_to("Why?")["messages"]
    assert system["role"] == "system"
    assert user["content"] == [*attachments, {"type": "text", "text": "Why?"}]
    assert read_defaults("answer", {"attachments": attachments, "question": "When?"}, {}).complete


def test_files_are_attached_to_the_last_message_of_a_request(photo):
    chat = read_defaults("chat", {"attachments": [{"uri": "s3://a/b"}]}, {})
    earlier = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}]
    parts = [{"type": "text", "text": "C"}]
    given = chat.apply_to({"messages": [*earlier, {"role": "user", "content": parts}]})
    assert given["messages"] == [*earlier, {"role": "user", "content": [{"uri": "s3://a/b"}, *parts]}]
    assert chat.apply_to({"messages": [7]}) == {"messages": [7]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "No such file or directory"), (b"MZ", "is no PNG, JPEG, GIF, WebP, PDF, WAV or MP3 file")],
)
def test_file_that_cannot_be_attached_is_named(tmp_path, content, problem):
    if content:
        (tmp_path / "a").write_bytes(content)
    with pytest.raises(OptionInvalid) as caught:
        read_attachments([str(tmp_path / "a")])
    assert str(caught.value) == f"--attach: {tmp_path / 'a'}: {problem}"
