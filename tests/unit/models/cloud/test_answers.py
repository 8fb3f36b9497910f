"""What becomes of the answers of the three APIs."""

import pytest
from pydantic import ValidationError

from carteiro.models.cloud import chat_completions, completions, responses
from carteiro.models.failures import ContentFiltered, InvalidOutput, ModelFailure, RateLimited, Refused, Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import Usage
from tests.provider import completions as provider
from tests.unit.models.cloud.asking import PROMPT, failure, opened

ASKED = {"model": "m", "input": [], "prompt": ""}


def test_responses_join_their_parts_and_skip_the_reasoning() -> None:
    output = [
        {"id": "rs_1", "type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        provider.message("Lis", "bon."),
    ]
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 40},
        "total_tokens": 150,
    }
    assert responses.completion(provider.response(ASKED, output, usage=usage), PROMPT, "m") == Completion(
        "Lisbon.",
        "stop",
        Usage(input_tokens=100, output_tokens=50, cached_input_tokens=64, reasoning_tokens=40),
    )


def test_responses_are_cut_at_a_stop_text_that_the_api_does_not_know() -> None:
    prompt = Prompt(messages=PROMPT.messages, stop=["\n", "END"])
    for cut in (False, True):
        answer = provider.response(ASKED, [provider.message("Lisbon.END\nIt is")], cut)
        done = responses.completion(answer, prompt, "m")
        assert (done.text, done.finish_reason) == ("Lisbon.", "stop")


def test_responses_cut_by_the_limit() -> None:
    done = responses.completion(provider.response(ASKED, [provider.message("Lis")], cut=True), PROMPT, "m")
    assert (done.text, done.finish_reason) == ("Lis", "length")
    reasoning = provider.response(ASKED, [{"type": "reasoning", "summary": []}], cut=True)
    assert responses.completion(reasoning, PROMPT, "m").text == "", "not a word before the limit"


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (Refused, provider.response(ASKED, [provider.message(refusal="I can't.")])),
        (
            ContentFiltered,
            provider.response(ASKED, [], status="incomplete", incomplete_details={"reason": "content_filter"}),
        ),
        (Unavailable, provider.response(ASKED, [], status="incomplete", incomplete_details=None)),
        (Unavailable, provider.response(ASKED, [], status="failed", error={"code": "server_error", "message": "x"})),
        (Unavailable, provider.response(ASKED, [], status="failed", error=None)),
        (RateLimited, provider.response(ASKED, [], status="failed", error={"code": "rate_limit_exceeded"})),
        (ContentFiltered, provider.response(ASKED, [], status="failed", error={"code": "invalid_prompt"})),
        (Unavailable, provider.response(ASKED, [], status="queued")),
        (InvalidOutput, provider.response(ASKED, [])),
        (InvalidOutput, provider.response(ASKED, [{"type": "function_call", "name": "f", "arguments": "{}"}])),
    ],
)
def test_responses_that_are_no_completion(kind: type[ModelFailure], answer: dict) -> None:
    with pytest.raises(ModelFailure) as caught:
        responses.completion(answer, PROMPT, "m")
    assert type(caught.value) is kind


def test_an_old_completion() -> None:
    answer = provider.text_completion(ASKED, "\n\nLisbon. ", "length", 5, 2)
    done = completions.completion(answer, PROMPT, "m")
    assert done == Completion("Lisbon.", "length", Usage(input_tokens=5, output_tokens=2))
    for reason, kind in (("content_filter", ContentFiltered), ("error", Unavailable)):
        with pytest.raises(kind):
            completions.completion(provider.text_completion(ASKED, "x", reason), PROMPT, "m")


def test_who_does_not_count_gets_an_estimate() -> None:
    for api, answer in (
        (responses, provider.response(ASKED, [provider.message("Lisbon.")], usage=None)),
        (completions, provider.text_completion(ASKED, "Lisbon.") | {"usage": None}),
    ):
        usage = api.completion(answer, PROMPT, "m").usage
        assert usage.input_tokens > 5
        assert usage.output_tokens > 1


@pytest.mark.parametrize("api", [chat_completions, responses, completions])
@pytest.mark.parametrize("answer", [None, [], {}, {"choices": []}, {"choices": "x", "output": "x", "status": 7}])
def test_what_is_no_answer_at_all(api, answer: object) -> None:
    with pytest.raises(ValidationError) as caught:
        api.completion(answer, PROMPT, "m")
    assert "input_value" not in str(caught.value), "it may be a completion"


@pytest.mark.parametrize(
    ("told", "usage"),
    [
        (  # OpenAI
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 40},
            },
            Usage(input_tokens=100, output_tokens=50, cached_input_tokens=64, reasoning_tokens=40),
        ),
        (  # Gemini: what it thinks is in the total alone
            {"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623},
            Usage(input_tokens=20, output_tokens=603, reasoning_tokens=405),
        ),
        (  # xAI: told, and not in the completion
            {
                "prompt_tokens": 20,
                "completion_tokens": 10,
                "total_tokens": 130,
                "completion_tokens_details": {"reasoning_tokens": 100},
            },
            Usage(input_tokens=20, output_tokens=110, reasoning_tokens=100),
        ),
        (  # nulls and gaps
            {"prompt_tokens": 20, "completion_tokens": None, "prompt_tokens_details": {"cached_tokens": None}},
            Usage(input_tokens=20),
        ),
    ],
)
def test_how_tokens_are_counted(told: dict, usage: Usage) -> None:
    answer = provider.completion({"model": "m"}, "Lisbon.") | {"usage": told}
    assert chat_completions.completion(answer, PROMPT, "m").usage == usage


@pytest.mark.parametrize("reason", ["content_filter: PROHIBITED_CONTENT", "SAFETY", "RECITATION"])
def test_the_reasons_of_geminis_filter(reason: str) -> None:
    with pytest.raises(ContentFiltered):
        chat_completions.completion(provider.completion({"model": "m"}, None, reason), PROMPT, "m")


def test_usages_add_up() -> None:
    one = Usage(input_tokens=1, output_tokens=2, cached_input_tokens=3, reasoning_tokens=4)
    assert one + one == Usage(input_tokens=2, output_tokens=4, cached_input_tokens=6, reasoning_tokens=8)


@pytest.mark.parametrize("name", ["openai:o3-pro", "openai:davinci-002"])
async def test_a_whole_call(name: str, provider) -> None:
    model = opened(name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    done = await model.complete(Prompt(messages=PROMPT.messages, max_output_tokens=2))
    assert done.text in ("one two", "Be brief.")
    assert done.finish_reason == "length"
    provider.next("hang", "429", "html")
    await_timeout = opened(name, OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url, CARTEIRO_MODEL_TIMEOUT_SECONDS="0.2")
    assert type(await failure(await_timeout)) is Unavailable
    assert type(await failure(model)) is RateLimited
    assert type(await failure(model)) is Unavailable
    await model.close()
    await await_timeout.close()
