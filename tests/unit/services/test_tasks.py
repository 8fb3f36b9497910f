"""The tasks against a real HTTP provider that says what the test tells it: what is asked, and what comes of it."""

import json
from typing import Any

import pytest

from carteiro.models.failures import InvalidOutput, InvalidPrompt, PromptTooLarge
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS
from carteiro.worker.services import find_tasks
from tests.provider import Provider

TASKS = {task.name: task for task in find_tasks()}
TOO_LONG = object()


@pytest.fixture
async def ask(provider: Provider):
    """`await ask(task, says, **request)`: `says` are the completions, one a call; the last is said again."""
    model = open_model(f"{provider.url}#echo", ModelSettings())

    async def call(task: str, says: list[Any], **request: Any):
        for said in says:
            if said is TOO_LONG:
                provider.next("context")
            else:
                provider.say(*said if isinstance(said, tuple) else (said, "stop"))
        return await TASKS[task].run(REQUESTS[task].model_validate(request), model)

    yield call
    provider.forget()
    await model.close()


async def test_answer_takes_the_span_from_the_quote(ask):
    context = "The bridge was opened in 1867. It was built by two brothers."
    said = json.dumps({"found": True, "answer": "1867", "quote": "opened in 1867"})
    done = await ask("answer", [said], question="When?", context=context)
    assert done.result.answer == "1867"
    assert context[done.result.span.start : done.result.span.end] == done.result.span.text == "opened in 1867"


async def test_answer_without_its_quote_in_the_context_has_no_span(ask):
    said = json.dumps({"found": True, "answer": "long ago", "quote": "in olden times"})
    assert (await ask("answer", [said], question="When?", context="In 1867.")).result.span is None


async def test_answer_says_no(ask):
    said = json.dumps({"found": False, "answer": "", "quote": ""})
    assert not (await ask("answer", [said], question="Who?", context="In 1867.")).result.found


@pytest.mark.parametrize(
    "said",
    [
        "I think it was 1867.",
        '{"found": "false", "answer": "", "quote": ""}',
        '{"found": true, "answer": null, "quote": ""}',
        '{"found": true}',
        "[" * 5000,
        "",
    ],
)
async def test_an_answer_of_another_shape_is_invalid_output(ask, said):
    with pytest.raises(InvalidOutput):
        await ask("answer", [said, said], question="When?", context="In 1867.")


async def test_what_cannot_be_used_is_shown_to_the_model_once_and_paid_for_twice(ask, provider):
    before = len(provider.requests)
    good = '{"found": true, "answer": "1867", "quote": "In 1867"}'
    done = await ask("answer", ['{"found": "yes"}', good], question="When?", context="In 1867.")
    assert done.result.answer == "1867"
    first, second = provider.requests[before:]
    assert second.body["messages"][:-2] == first.body["messages"]
    shown, wrong = second.body["messages"][-2:]
    assert (shown["role"], shown["content"]) == ("assistant", '{"found": "yes"}')
    assert "found: Input should be a valid boolean" in wrong["content"]
    assert second.body["response_format"] == first.body["response_format"]


async def test_what_was_cut_is_not_asked_for_again(ask, provider):
    before = len(provider.requests)
    with pytest.raises(InvalidOutput, match="cut by the limit"):
        await ask("answer", [('{"found": tr', "length")], question="When?", context="In 1867.")
    assert len(provider.requests) == before + 1


async def test_sentiment_scores_make_one(ask, provider):
    done = await ask("sentiment", ['{"calm": 1, "angry": 3}'], text="Grr.", labels=["calm", "angry"])
    assert (done.result.label, done.result.scores) == ("angry", {"calm": 0.25, "angry": 0.75})
    schema = provider.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["calm", "angry"]


@pytest.mark.parametrize(
    "said", ["{}", '{"calm": "much", "angry": 0}', '{"calm": 0, "angry": 0}', "1", '{"calm": 1e999, "angry": 1}']
)
async def test_sentiment_without_a_score_for_each_label_is_invalid_output(ask, said):
    with pytest.raises(InvalidOutput):
        await ask("sentiment", [said, said], text="Hm.", labels=["calm", "angry"])


@pytest.mark.parametrize("said", ['{"n": "one"}', '{"n": NaN}', '{"n": 1e999}', '{"m": 1}', "no", '{"n": "\\ud800"}'])
async def test_generate_checks_the_schema_itself(ask, said):
    schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
    with pytest.raises(InvalidOutput, match="does not follow json_schema"):
        await ask("generate", [said, said], prompt="x", json_schema=schema)
    assert (await ask("generate", ['{"n": 1}'], prompt="x", json_schema=schema)).result.data == {"n": 1}


async def test_generate_refuses_a_schema_that_fetches(ask):
    with pytest.raises(InvalidPrompt, match="json_schema"):
        await ask(
            "generate",
            [],
            prompt="x",
            json_schema={"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/"}}},
        )


@pytest.mark.parametrize("task", ["chat", "generate", "summarize", "translate"])
@pytest.mark.parametrize("said", ["", " \n "])
async def test_a_completion_of_nothing_is_invalid_output(ask, task, said):
    request = {
        "chat": {"messages": [{"role": "user", "content": "Hi"}]},
        "generate": {"prompt": "Hi"},
        "summarize": {"text": "Hi"},
        "translate": {"text": "Hi", "target": "fr"},
    }[task]
    with pytest.raises(InvalidOutput, match="wrote nothing"):
        await ask(task, [said], **request)


async def test_translate_tells_languages_and_manner_and_whether_it_was_cut(ask, provider):
    done = await ask("translate", [("Bon", "length")], text="Hello", source="en", target="fr-CA", formality="formal")
    assert (done.result.text, done.result.source, done.finish_reason) == ("Bon", "en", "length")
    asked = provider.requests[-1].body["messages"][0]["content"]
    assert "from en into fr-CA" in asked
    assert "formal way" in asked


async def test_summarize_reads_in_halves_what_is_too_long_and_pays_for_nothing_twice(ask, provider):
    before = len(provider.requests)
    text = "The first half is about apples. " * 4 + "The second half is about pears. " * 4
    done = await ask("summarize", [TOO_LONG, "Apples.", "Pears.", "Fruit."], text=text)
    assert (done.result.summary, done.result.parts) == ("Fruit.", 2)
    asked = [received.body["messages"][0]["content"] for received in provider.requests[before:]]
    assert len(asked) == 4
    assert "apples" in asked[1]
    assert "pears" not in asked[1]
    assert asked[3].endswith("Apples.\nPears.")


async def test_summarize_that_is_always_too_long_ends(ask):
    with pytest.raises(PromptTooLarge):
        await ask("summarize", [TOO_LONG] * 8, text="words")


async def test_summaries_that_do_not_shrink_are_not_summarized_for_ever(ask, provider):
    before = len(provider.requests)
    text = "One two three four five. " * 8
    done = await ask("summarize", [TOO_LONG, text[:90], text[:90]], text=text)
    assert len(provider.requests) == before + 3
    assert done.result.parts == 2


async def test_bullets_are_the_lines(ask):
    done = await ask("summarize", ["- One.\n* Two.\n3. Three.\n"], text="x", style="bullets")
    assert done.result.bullets == ["One.", "Two.", "Three."]
    assert done.result.summary == "- One.\n- Two.\n- Three."


async def test_a_summary_that_was_cut_says_so(ask):
    assert (await ask("summarize", [("The cou", "length")], text="x")).finish_reason == "length"


async def test_the_key_of_openai_goes_to_no_other_server(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-openai")
    model = open_model(f"{provider.url}#echo", ModelSettings())
    await TASKS["generate"].run(
        REQUESTS["generate"].model_validate({"prompt": "x", "options": {"max_output_tokens": 3}}), model
    )
    await model.close()
    assert "sk-only-for-openai" not in str(provider.requests[-1].headers)
    assert provider.requests[-1].body["max_tokens"] == 3


async def test_openai_with_another_address_gets_the_key(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-gateway")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    model = open_model("openai:echo", ModelSettings())
    await TASKS["generate"].run(
        REQUESTS["generate"].model_validate({"prompt": "x", "options": {"max_output_tokens": 3}}), model
    )
    await model.close()
    assert provider.requests[-1].headers["authorization"] == "Bearer sk-for-the-gateway"
    assert provider.requests[-1].body["max_completion_tokens"] == 3
