"""A model's reasoning is not a part of its answer, in all three APIs, complete, streamed and by batch."""

import json
from dataclasses import replace

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import InvalidOutput
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.models.cloud.nonstandard_responses import (
    PROMPT,
    USAGE,
    ShownTextRecorder,
    answer_with,
    complete_streamed,
    event_bytes,
    full_answer,
    stream_chunks,
)

pytestmark = pytest.mark.timeout(60)

THOUGHT, ANSWER = "Hm, a capital.", "Lisbon."
MARKED = [
    f"<think>{THOUGHT}</think>\n\n{ANSWER}",
    f"\n<thinking>\n{THOUGHT}\n</thinking>{ANSWER}",
    f"<reasoning>{THOUGHT}</reasoning> {ANSWER}",
    f"[THINK]{THOUGHT}[/THINK]{ANSWER}",
    f"{THOUGHT}\n</think>\n\n{ANSWER}",
    f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
]


@pytest.fixture
async def open_model(api, provider):
    running = []

    def open_model(name: str = "echo") -> CloudModel:
        running.append(CloudModel(f"openai:{name}", endpoint(provider.url, api=api, model=name), timeout=10))
        return running[-1]

    yield open_model
    for each in running:
        await each.close()


def cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("text", MARKED)
async def test_marked_thinking_is_split_off(provider, api, open_model, text):
    model = open_model()
    provider._next.append(answer_with(json.dumps(full_answer(api, text)).encode()))
    done = [await model.complete(PROMPT), model.completion(full_answer(api, text), PROMPT)]
    for size in (1, 5, 100):
        provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(text, size)))))
        done.append(await complete_streamed(model))
    for completion in done:
        assert (completion.text, completion.reasoning, completion.finish_reason) == (ANSWER, THOUGHT, "stop")
        assert 0 < completion.usage.reasoning_tokens < completion.usage.output_tokens == 20


@pytest.mark.parametrize("text", ["<think>Hm", "<think>Hm, a</thi", "[THINK]Hm"])
@pytest.mark.parametrize("reason", ["stop", "length"])
async def test_cut_thinking_is_an_empty_answer_that_was_cut(provider, api, open_model, text, reason):
    model = open_model()
    provider._next.append(answer_with(json.dumps(full_answer(api, text, reason)).encode()))
    provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(text, 3), reason))))
    limited = replace(PROMPT, max_output_tokens=50)
    for completion in (await model.complete(limited), await model.stream(limited, lambda text: None)):
        assert (completion.text, completion.finish_reason) == ("", "length")
        assert completion.usage.reasoning_tokens == completion.usage.output_tokens


@pytest.mark.parametrize("text", ["Write `<think>` first, `</think>` last.", "A <think>b</think> c", "No marks."])
async def test_text_about_marks_is_left_whole(provider, api, open_model, text):
    model = open_model()
    provider._next.append(answer_with(json.dumps(full_answer(api, text)).encode()))
    provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(text, 2)))))
    for completion in (await model.complete(PROMPT), await complete_streamed(model)):
        assert (completion.text, completion.reasoning) == (text, None)


FIELDS = [
    {"reasoning_content": THOUGHT},
    {"reasoning": THOUGHT},
    {"reasoning": {"content": THOUGHT}},
    {"reasoning": THOUGHT, "reasoning_details": [{"type": "reasoning.text", "text": THOUGHT}]},
    {
        "reasoning_details": [
            {"type": "reasoning.summary", "summary": THOUGHT},
            {"type": "reasoning.encrypted", "data": "x"},
        ]
    },
    {"thinking": THOUGHT},
    {"reasoning_content": None, "reasoning": THOUGHT},
    {"reasoning_content": [{"type": "text", "text": THOUGHT}]},
]


@pytest.mark.parametrize("fields", FIELDS, ids=repr)
@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_thinking_in_a_field_of_its_own(provider, api, open_model, fields):
    model = open_model()
    provider._next.append(answer_with(json.dumps(full_answer(api, ANSWER, **fields)).encode()))
    provider._next.append(answer_with(event_bytes(stream_chunks(api, [{"content": "", **fields}, "Lis", "bon."]))))
    for completion in (await model.complete(PROMPT), await complete_streamed(model)):
        assert (completion.text, completion.reasoning) == (ANSWER, THOUGHT)
        assert completion.usage.reasoning_tokens > 0


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_thinking_alone_is_no_answer(provider, api, open_model):
    model = open_model()
    provider._next.append(answer_with(json.dumps(full_answer(api, None, reasoning_content=THOUGHT)).encode()))
    with pytest.raises(InvalidOutput, match="without a text"):
        await model.complete(PROMPT)
    provider._next.append(answer_with(json.dumps(full_answer(api, None, "length", reasoning_content=THOUGHT)).encode()))
    completion = await model.complete(PROMPT)
    assert (completion.text, completion.finish_reason, completion.reasoning) == ("", "length", THOUGHT)


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_token_counts_of_the_provider_are_kept(provider, api, open_model):
    usage = USAGE | {"completion_tokens_details": {"reasoning_tokens": 7}}
    provider._next.append(answer_with(json.dumps(full_answer(api, MARKED[0], usage=usage)).encode()))
    assert (await open_model().complete(PROMPT)).usage.reasoning_tokens == 7


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_usage_that_is_estimated_has_the_thinking(provider, api, open_model):
    provider._next.append(
        answer_with(json.dumps(full_answer(api, ANSWER, usage=None, reasoning=THOUGHT * 20)).encode())
    )
    usage = (await open_model().complete(PROMPT)).usage
    assert usage.output_tokens > usage.reasoning_tokens > 40


async def test_summaries_of_the_responses_api(provider):
    model = CloudModel("openai:echo", endpoint(provider.url, api="responses"), timeout=10)
    answer = full_answer("responses", ANSWER)
    answer["output"].insert(0, {"type": "reasoning", "summary": [{"type": "summary_text", "text": THOUGHT}]})
    provider._next.append(answer_with(json.dumps(answer).encode()))
    deltas = [{"type": "response.reasoning_summary_text.delta", "delta": text} for text in cut(THOUGHT, 4)]
    provider._next.append(answer_with(event_bytes([*deltas, *stream_chunks("responses", ["Lis", "bon."])])))
    for completion in (await model.complete(PROMPT), await complete_streamed(model)):
        assert (completion.text, completion.reasoning) == (ANSWER, THOUGHT)
    await model.close()


async def test_thinking_that_was_shown_is_revoked_once_and_then_held_back(provider, api, open_model):
    model, text = open_model(), MARKED[4]
    restarts = []
    for _ in range(2):
        shown = ShownTextRecorder()
        provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(text, 4)))))
        completion = await model.stream(PROMPT, shown)
        assert shown.text == completion.text == ANSWER
        restarts.append(shown.restarts)
    assert restarts == [1, 0]
    provider._next.append(answer_with(event_bytes(stream_chunks(api, ["Lis", "bon."]))))
    assert (await complete_streamed(model)).text == ANSWER, "this time it did not think"


@pytest.mark.parametrize("api", ["chat", "responses"], indirect=True)
@pytest.mark.parametrize("name", ["deepseek-r1", "Qwen/QwQ-32B", "qwen3-30b-a3b-thinking-2507"])
async def test_models_known_to_open_their_thinking_show_none(provider, api, open_model, name):
    model, shown = open_model(name), ShownTextRecorder()
    provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(MARKED[4], 4)))))
    assert (await model.stream(PROMPT, shown)).text == shown.text == ANSWER
    assert shown.restarts == 0
    provider._next.append(answer_with(event_bytes(stream_chunks(api, cut(THOUGHT, 4), "length"))))
    completion = await complete_streamed(model)
    assert (completion.text, completion.reasoning, completion.finish_reason) == ("", THOUGHT, "length")


@pytest.mark.parametrize("api", ["chat"], indirect=True)
async def test_reasoning_model_behind_a_parser_is_streamed_at_once(provider, api, open_model):
    pieces: list[str] = []
    several = stream_chunks(api, [{"reasoning_content": THOUGHT}, "Lis", "bon."], "length")
    provider._next.append(answer_with(event_bytes(several)))
    completion = await open_model("deepseek-r1").stream(PROMPT, pieces.append)
    assert pieces == ["Lis", "bon."]
    assert (completion.text, completion.finish_reason) == (ANSWER, "length")
