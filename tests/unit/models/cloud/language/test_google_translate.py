"""Google's Cloud Translation: requests, glossary, model, source detection and refusals."""

import re
from typing import Any

import pytest

from carteiro.models.errors import (
    InvalidOutput,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.schemas import Usage
from tests.provider.language_services import GLOSSARY, LanguageServices, google_status
from tests.unit.models.cloud.language.conftest import OpenService


async def test_plain_text_is_translated_unescaped_and_its_language_recognised(
    services: LanguageServices, open_service: OpenService
) -> None:
    found = await open_service("google-translate:").translate("Olá & <b>bom dia</b>", None, "en")
    assert (found.text, found.source) == ("en[Olá & <b>bom dia</b>]", "pt")
    assert found.usage == Usage(characters=20)
    assert services.last.path == "/v3/projects/p-1/locations/global:translateText"
    assert services.last.headers["authorization"] == "Bearer token-1"
    assert "model" not in services.last.body


async def test_codes_of_languages_are_googles(services: LanguageServices, open_service: OpenService) -> None:
    await open_service("google-translate:").translate("Hi", "en-US", "zh-Hant")
    assert (services.last.body["sourceLanguageCode"], services.last.body["targetLanguageCode"]) == ("en", "zh-TW")


async def test_glossary_needs_the_source_so_it_is_recognised_first(
    services: LanguageServices, open_service: OpenService
) -> None:
    model = open_service(
        "google-translate:",
        CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY="ships",
        CARTEIRO_GOOGLE_TRANSLATE_LOCATION="us-central1",
    )
    found = await model.translate("The ship leaves", None, "pt")
    assert (found.text, found.source) == ("pt[The navio leaves]", "en")
    assert found.usage == Usage(characters=30)
    assert [request.path.partition(":")[2] for request in services.requests] == ["detectLanguage", "translateText"]
    assert services.last.body["glossaryConfig"] == {"glossary": GLOSSARY}
    await model.translate("The ship leaves", "en", "pt")
    assert len(services.requests) == 3


@pytest.mark.parametrize(
    ("name", "model", "characters"),
    [
        ("google-translate:general/nmt", "projects/p-1/locations/global/models/general/nmt", 5),
        (
            "google-translate:general/translation-llm",
            "projects/p-1/locations/global/models/general/translation-llm",
            14,
        ),
        (
            "google-translate:projects/7/locations/us-central1/models/M1",
            "projects/7/locations/us-central1/models/M1",
            5,
        ),
    ],
)
async def test_model_is_sent_by_its_whole_name(
    services: LanguageServices, open_service: OpenService, name: str, model: str, characters: int
) -> None:
    found = await open_service(name).translate("Hello", "en", "pt")
    assert services.last.body["model"] == model
    assert model.split("/")[3] in services.last.path
    assert found.usage == Usage(characters=characters)


async def test_long_text_is_split_by_code_points(services: LanguageServices, open_service: OpenService) -> None:
    text = "Há 😀. " * 9000
    found = await open_service("google-translate:").translate(text, "pt", "en")
    sent = [request.body["contents"][0] for request in services.requests]
    assert len(sent) == 2
    assert max(map(len, sent)) <= 30_000
    assert "".join(f"{each} " for each in re.findall(r"en\[(.*?)\] ", found.text)) == text


def _quota(limit: str) -> str:
    return (
        "Quota exceeded for quota metric 'v3 and v2 general model characters' and limit 'v3 and v2 general model "
        f"characters {limit}' of service 'translate.googleapis.com' for consumer 'project_number:1'."
    )


RETRY_INFO = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "12s"}
DISABLED = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, google_status(400, "INVALID_ARGUMENT", "Target language is invalid."), Unsupported, "the language"),
        (400, google_status(400, "INVALID_ARGUMENT", "Bad language pair: en|xx"), Unsupported, "the language"),
        (400, google_status(400, "INVALID_ARGUMENT", "Text is too long."), PromptTooLarge, "does not fit"),
        (401, google_status(401, "UNAUTHENTICATED", "Invalid credentials."), Misconfigured, "GOOGLE_APPLICATION_CRED"),
        (403, google_status(403, "PERMISSION_DENIED", "Not enabled.", DISABLED), Misconfigured, "denies access"),
        (403, google_status(403, "PERMISSION_DENIED", "Daily Limit Exceeded"), QuotaExhausted, "used up"),
        (403, google_status(403, "PERMISSION_DENIED", "User Rate Limit Exceeded"), RateLimited, "no more calls"),
        (404, google_status(404, "NOT_FOUND", "Glossary not found."), Misconfigured, "TRANSLATE_GLOSSARY"),
        (429, google_status(429, "RESOURCE_EXHAUSTED", _quota("per minute"), RETRY_INFO), RateLimited, "no more calls"),
        (429, google_status(429, "RESOURCE_EXHAUSTED", _quota("per day"), RETRY_INFO), QuotaExhausted, "used up"),
        (500, google_status(500, "INTERNAL", "Internal error."), Unavailable, "HTTP status 500"),
        (503, google_status(503, "UNAVAILABLE", "Try later."), Unavailable, "HTTP status 503"),
        (200, google_status(503, "UNAVAILABLE", "Try later."), Unavailable, "HTTP status 503"),
    ],
)
async def test_envelopes_of_errors_have_their_codes(
    services: LanguageServices, open_service: OpenService, status: int, body: Any, kind: type[ModelError], words: str
) -> None:
    services.answer(body, status)
    with pytest.raises(kind, match=words) as caught:
        await open_service("google-translate:").translate("Hello there", None, "pt")
    assert type(caught.value) is kind
    if isinstance(caught.value, RateLimited) and status == 429:
        assert caught.value.retry_after == 12


async def test_answer_without_a_translation_is_a_paid_failure(
    services: LanguageServices, open_service: OpenService
) -> None:
    services.answer({"translations": [{"model": ""}]})
    with pytest.raises(Unavailable) as caught:
        await open_service("google-translate:").translate("Hello", None, "pt")
    assert caught.value.usage == Usage(characters=5)
    assert not isinstance(caught.value, InvalidOutput)
