"""Azure Language: sentiment, answers and summaries, their splitting, usage and refusals."""

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from carteiro.models.cloud.language import azure_jobs
from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
    attached_usage,
)
from carteiro.models.prompt import GenerationOptions
from carteiro.schemas import Usage
from tests.provider.language_services import LanguageServices
from tests.unit.models.cloud.language.conftest import OpenService


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_jobs, "_FIRST_PAUSE", 0.001)
    monkeypatch.setattr(azure_jobs, "_LONGEST_PAUSE", 0.002)


def kinds(services: LanguageServices) -> list[str]:
    return [request.body.get("kind", request.path.rpartition("/")[2]) for request in services.requests]


async def test_sentiment_is_found_in_the_recognised_language(
    services: LanguageServices, open_service: OpenService
) -> None:
    found = await open_service("azure-language:").classify("Olá, que good")
    assert found.probabilities == pytest.approx({"positive": 0.9, "neutral": 0.07, "negative": 0.03})
    assert kinds(services) == ["LanguageDetection", "SentimentAnalysis"]
    assert services.last.body["analysisInput"]["documents"][0]["language"] == "pt"
    assert found.usage == Usage(characters=2000)


async def test_language_in_the_name_spares_a_call(services: LanguageServices, open_service: OpenService) -> None:
    await open_service("azure-language:en-GB").classify("A good evening")
    assert kinds(services) == ["SentimentAnalysis"]
    assert services.last.body["analysisInput"]["documents"][0]["language"] == "en"


async def test_long_text_is_split_by_text_elements(services: LanguageServices, open_service: OpenService) -> None:
    text = "Caf\u0065\u0301 good. " * 1000
    found = await open_service("azure-language:en").classify(text)
    sent = [request.body["analysisInput"]["documents"][0]["text"] for request in services.requests]
    assert sum(map(len, sent)) == len(text)
    assert len(sent) == 4
    assert found.probabilities["positive"] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("code", "inner", "message", "kind"),
    [
        ("InvalidArgument", "UnsupportedLanguageCode", "Invalid language code. Supported languages: en.", Unsupported),
        ("InvalidArgument", "InvalidDocument", "A document within the request was too large.", PromptTooLarge),
        ("InvalidArgument", "InvalidDocument", "Document text is empty.", InvalidPrompt),
        ("InternalServerError", "", "Unexpected error.", Unavailable),
        ("TooManyRequests", "", "Slow down.", RateLimited),
    ],
)
async def test_errors_of_a_document_within_a_200_have_their_codes(
    services: LanguageServices, open_service: OpenService, code: str, inner: str, message: str, kind: type[ModelError]
) -> None:
    error = {"code": code, "message": "Invalid.", "innererror": {"code": inner, "message": message}}
    services.answer({"kind": "x", "results": {"documents": [], "errors": [{"id": "0", "error": error}]}})
    with pytest.raises(kind) as caught:
        await open_service("azure-language:en").classify("Hello there")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "Access denied due to invalid subscription key or wrong API endpoint.", Misconfigured),
        (403, "Out of call volume quota for TextAnalytics F0 pricing tier. Please retry after 3 days.", QuotaExhausted),
        (404, "Resource not found", Misconfigured),
        (429, "Requests have exceeded call rate limit of your current tier.", RateLimited),
    ],
)
async def test_errors_have_their_codes(
    services: LanguageServices, open_service: OpenService, status: int, message: str, kind: type[ModelError]
) -> None:
    services.answer({"error": {"code": str(status), "message": message}}, status)
    with pytest.raises(kind) as caught:
        await open_service("azure-language:en").classify("Hello")
    assert type(caught.value) is kind


async def test_unknown_language_is_refused_with_what_it_cost(
    services: LanguageServices, open_service: OpenService
) -> None:
    with pytest.raises(Unsupported, match="does not recognise") as caught:
        await open_service("azure-language:").classify("...")
    assert caught.value.usage == Usage(characters=1000)


CONTEXT = "👋 Two brothers built it. The bridge was opened in 1867. It is long."


async def test_answer_is_a_span_of_the_context_in_code_points(
    services: LanguageServices, open_service: OpenService
) -> None:
    found = await open_service("azure-language:en").find_answer("When was it opened?", CONTEXT)
    assert found.start is not None
    assert CONTEXT[found.start : found.end] == "1867"
    assert found.score == 0.93
    assert services.last.body["stringIndexType"] == "UnicodeCodePoint"


async def test_answer_is_found_in_the_part_that_has_it(services: LanguageServices, open_service: OpenService) -> None:
    context = "Nothing to see here. " * 400 + CONTEXT
    found = await open_service("azure-language:en").find_answer("When was it opened?", context)
    assert found.start is not None
    assert context[found.start : found.end] == "1867"
    assert len(services.requests) == 2
    assert found.usage == Usage(characters=10_000)


async def test_object_without_answers_is_a_failure(services: LanguageServices, open_service: OpenService) -> None:
    services.answer({"status": "ok"})
    with pytest.raises(Unavailable, match="something that was not asked for"):
        await open_service("azure-language:en").find_answer("When?", CONTEXT)


async def test_no_answer_is_none(open_service: OpenService) -> None:
    found = await open_service("azure-language:en").find_answer("When?", "Nothing to see here.")
    assert (found.start, found.end, found.score) == (None, None, 0.0)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"answer": "in 1867", "confidenceScore": 0.5, "offset": 999}, "in 1867"),
        ({"answer": "in 1900", "confidenceScore": 0.5, "offset": 3}, None),
        ({"answer": "in 1867", "confidenceScore": 0.05}, None),
        ({"answer": " ", "confidenceScore": 0.9}, None),
    ],
)
async def test_answer_that_does_not_stand_there_is_none(
    services: LanguageServices, open_service: OpenService, answer: Any, text: str | None
) -> None:
    services.answer({"answers": [answer]})
    found = await open_service("azure-language:en").find_answer("When?", CONTEXT)
    assert (None if found.start is None else CONTEXT[found.start : found.end]) == text


async def test_long_question_is_refused(services: LanguageServices, open_service: OpenService) -> None:
    with pytest.raises(PromptTooLarge):
        await open_service("azure-language:en").find_answer("why " * 300, CONTEXT)
    assert not services.requests


async def test_summary_is_a_job_that_is_polled(services: LanguageServices, open_service: OpenService) -> None:
    found = await open_service("azure-language:en").summarize("A long story about ships.", GenerationOptions())
    assert (found.text, found.usage) == ("In short: A long story about s", Usage(characters=1000))
    assert [request.method for request in services.requests] == ["POST", "GET", "GET", "GET"]
    # The key goes to the endpoint only, whatever host the service names.
    assert all(request.query == {"api-version": "2023-04-01"} for request in services.requests)
    assert not services.cancelled


async def test_polls_that_fail_do_not_end_a_job(services: LanguageServices, open_service: OpenService) -> None:
    model = open_service("azure-language:en")
    services.polls = 10
    job = asyncio.create_task(model.summarize("A long story about ships.", GenerationOptions()))
    await services.polled.wait()
    services.answer({"error": {"code": "429", "message": "Slower."}}, 429, Retry_After="0")
    services.answer({"error": {"code": "503", "message": "Busy."}}, 503)
    assert (await job).text.startswith("In short")


async def test_job_that_nobody_waits_for_is_cancelled(services: LanguageServices, open_service: OpenService) -> None:
    services.polls = 10**6
    job = asyncio.create_task(open_service("azure-language:en").summarize("A long story.", GenerationOptions()))
    await services.polled.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await job
    assert services.cancelled == ["b2a1-0"]
    assert attached_usage(caught.value) == Usage(characters=1000)


async def test_job_that_takes_too_long_is_cancelled(services: LanguageServices, open_service: OpenService) -> None:
    services.polls = 10**6
    model = open_service("azure-language:en", CARTEIRO_MODEL_TIMEOUT_SECONDS="0.2")
    with pytest.raises(Unavailable, match="within 0.2 s") as caught:
        await model.summarize("A long story.", GenerationOptions())
    assert services.cancelled == ["b2a1-0"]
    assert caught.value.usage == Usage(characters=1000)


async def test_errors_of_jobs_have_their_codes(services: LanguageServices, open_service: OpenService) -> None:
    with pytest.raises(Unsupported, match="Supported languages"):
        await open_service("azure-language:sw").summarize("Hadithi.", GenerationOptions())
    model = open_service("azure-language:en")
    services.answer({"error": {"code": "429", "message": "Slower."}}, 429, Retry_After="0")
    with pytest.raises(RateLimited):
        await model.summarize("A long story.", GenerationOptions())
    services.answer({}, 202, operation_location="https://evil.example/other")
    with pytest.raises(Unavailable, match="no address of its job"):
        await model.summarize("A long story.", GenerationOptions())


async def test_summary_has_no_halves_of_characters(services: LanguageServices, open_service: OpenService) -> None:
    services.answer({}, 202, operation_location="/language/analyze-text/jobs/x")
    documents = [{"summaries": [{"text": "Short \ud83d."}]}]
    services.answer({"status": "succeeded", "tasks": {"items": [{"results": {"documents": documents}}]}})
    summary = await open_service("azure-language:en").summarize("A long story.", GenerationOptions())
    assert summary.text == "Short \ufffd."


async def test_job_without_a_summary_fails(services: LanguageServices, open_service: OpenService) -> None:
    services.answer({}, 202, operation_location="/language/analyze-text/jobs/x")
    services.answer({"status": "failed", "errors": [], "tasks": {"items": []}})
    with pytest.raises(Unavailable, match="without a summary: failed"):
        await open_service("azure-language:en").summarize("A long story.", GenerationOptions())


async def test_options_and_too_long_texts_of_summaries_are_refused(
    services: LanguageServices, open_service: OpenService
) -> None:
    model = open_service("azure-language:en")
    with pytest.raises(Unsupported, match="temperature"):
        await model.summarize("Text.", GenerationOptions(temperature=1))
    with pytest.raises(PromptTooLarge):
        await model.summarize("a" * 125_001, GenerationOptions())
    assert not services.requests


async def test_retirement_of_summaries_is_said_at_the_start(open_service: OpenService) -> None:
    with capture_logs() as logs:
        await open_service("azure-language:").load()
    assert [line["retired"] for line in logs] == ["2029-03-31"]
