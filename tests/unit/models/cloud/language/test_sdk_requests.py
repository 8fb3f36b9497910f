"""Our requests and our server's answers against Microsoft's and Google's own libraries.

`sdk_requests.json` holds what the libraries send: azure-ai-translation-text 2.0.0, azure-ai-textanalytics 5.4.0,
azure-ai-language-questionanswering 1.1.0, google-cloud-translate 3.28.0 and google-cloud-language 2.22.0. Where a
library is installed, it is asked again, and it has to understand the server's answers.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from carteiro.models.cloud.language import azure_jobs
from carteiro.models.prompt import GenerationOptions
from tests.provider.language_services import KEY, LanguageServices, ServiceRequest
from tests.unit.models.cloud.language.conftest import OpenService

RECORDED: dict[str, list[dict[str, Any]]] = json.loads(Path(__file__).with_name("sdk_requests.json").read_text())
_NAMES = {"type": {1: "PLAIN_TEXT"}, "encodingType": {3: "UTF32"}}
"""Google's library sends the numbers of names. Both are JSON of the same message."""
_HEADERS = ("ocp-apim-subscription-key", "ocp-apim-subscription-region", "authorization", "x-goog-api-key")
CONTEXT = "👋 Two brothers built it. The bridge was opened in 1867."


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure_jobs, "_FIRST_PAUSE", 0.001)


def essence(request: ServiceRequest) -> dict[str, Any]:
    """Return what a service reads of a request."""
    return {
        "method": request.method,
        "path": request.path,
        "query": {name: value for name, value in request.query.items() if not name.startswith("$")},
        "headers": [name for name in _HEADERS if name in request.headers],
        "body": _named(request.body),
    }


def _named(value: Any) -> Any:
    if not isinstance(value, dict):
        return [_named(each) for each in value] if isinstance(value, list) else value
    numbers = {
        name: _NAMES.get(name, {}).get(each, each) if isinstance(each, int) else each for name, each in value.items()
    }
    return {name: _named(each) for name, each in numbers.items()}


async def _ours(case: str, open_service: OpenService) -> None:
    if case == "translate":
        await open_service("azure-translator:", AZURE_TEXT_TRANSLATION_REGION="westeurope").translate(
            "Olá 😀", None, "en"
        )
    elif case == "translate-in-tone":
        await open_service("azure-translator:gpt").translate_in_tone("Hi", "en", "pt", "formal")
    elif case == "sentiment":
        await open_service("azure-language:en").classify("A good day.")
    elif case == "summary":
        await open_service("azure-language:en").summarize("A long story.", GenerationOptions())
    elif case == "answer":
        await open_service("azure-language:en").find_answer("When?", CONTEXT)
    elif case == "google-translate":
        await open_service(
            "google-translate:general/nmt",
            CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY="ships",
            CARTEIRO_GOOGLE_TRANSLATE_LOCATION="us-central1",
        ).translate("A nave", None, "en")
    else:
        await open_service("google-language:en").classify("A good day.")


@pytest.mark.parametrize("case", RECORDED)
async def test_our_requests_are_those_of_the_libraries(
    case: str, services: LanguageServices, open_service: OpenService
) -> None:
    await _ours(case, open_service)
    assert [essence(request) for request in services.requests] == RECORDED[case]


def _translator(url: str) -> Any:
    text = pytest.importorskip("azure.ai.translation.text")
    return text, _azure_credential(), url


def _azure_credential() -> Any:
    return pytest.importorskip("azure.core.credentials").AzureKeyCredential(KEY)


def _translate(url: str) -> None:
    text, key, url = _translator(url)
    item = text.models.TranslateInputItem(text="Olá 😀", targets=[text.models.TranslationTarget(language="en")])
    (found,) = text.TextTranslationClient(endpoint=url, credential=key, region="westeurope").translate(body=[item])
    assert (found.translations[0].text, found.detected_language.language) == ("en[Olá 😀]", "pt")


def _translate_in_tone(url: str) -> None:
    text, key, url = _translator(url)
    target = text.models.TranslationTarget(language="pt", deployment_name="gpt", tone="formal", allow_fallback=False)
    item = text.models.TranslateInputItem(text="Hi", language="en", targets=[target])
    (found,) = text.TextTranslationClient(endpoint=url, credential=key).translate(body=[item])
    assert found.translations[0].source_tokens == 14


def _analytics(url: str) -> Any:
    return pytest.importorskip("azure.ai.textanalytics").TextAnalyticsClient(url, _azure_credential())


def _sentiment(url: str) -> None:
    (found,) = _analytics(url).analyze_sentiment([{"id": "0", "text": "A good day.", "language": "en"}])
    assert (found.is_error, found.confidence_scores.positive) == (False, 0.9)


def _summary(url: str) -> None:
    documents = [{"id": "0", "text": "A long story.", "language": "en"}]
    # The library follows the address that the service names. Behind a proxy it would not reach it.
    job = _analytics(url).begin_abstract_summary(documents, polling_interval=0)
    (found,) = job.result()
    assert found.summaries[0].text == "In short: A long story."


def _answer(url: str) -> None:
    module = pytest.importorskip("azure.ai.language.questionanswering")
    options = module.models.AnswersFromTextOptions(
        question="When?", text_documents=[module.models.TextDocument(id="0", text=CONTEXT)], language="en"
    )
    client = module.QuestionAnsweringClient(url, _azure_credential(), api_version="2023-04-01")
    found = client.get_answers_from_text(options).answers[1]
    start = found.offset + found.short_answer.offset
    assert CONTEXT[start : start + found.short_answer.length] == " 1867"


def _google(url: str, package: str, service: str, transport: str) -> Any:
    module = pytest.importorskip(f"google.cloud.{package}")
    credentials = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    transports = pytest.importorskip(f"google.cloud.{package}.services.{service}.transports")
    credentials.before_request = lambda *request: request[-1].update(authorization="Bearer token-1")
    return module, getattr(transports, transport)(host=urlsplit(url).netloc, credentials=credentials, url_scheme="http")


def _google_translate(url: str) -> None:
    module, transport = _google(url, "translate_v3", "translation_service", "TranslationServiceRestTransport")
    parent = "projects/p-1/locations/us-central1"
    client = module.TranslationServiceClient(transport=transport)
    detected = client.detect_language(request={"parent": parent, "content": "A nave", "mime_type": "text/plain"})
    request = {
        "parent": parent,
        "contents": ["A nave"],
        "mime_type": "text/plain",
        "source_language_code": detected.languages[0].language_code,
        "target_language_code": "en",
        "model": f"{parent}/models/general/nmt",
        "glossary_config": {"glossary": f"{parent}/glossaries/ships"},
    }
    assert client.translate_text(request=request).glossary_translations[0].translated_text == "en[A nave]"


def _google_language(url: str) -> None:
    module, transport = _google(url, "language_v2", "language_service", "LanguageServiceRestTransport")
    document = {"type_": "PLAIN_TEXT", "content": "A good day.", "language_code": "en"}
    client = module.LanguageServiceClient(transport=transport)
    found = client.analyze_sentiment(request={"document": document, "encoding_type": "UTF32"})
    assert round(found.document_sentiment.score, 6) == 0.8


LIBRARIES: dict[str, Callable[[str], None]] = {
    "translate": _translate,
    "translate-in-tone": _translate_in_tone,
    "sentiment": _sentiment,
    "summary": _summary,
    "answer": _answer,
    "google-translate": _google_translate,
    "google-language": _google_language,
}


@pytest.mark.parametrize("case", LIBRARIES)
async def test_libraries_still_send_what_was_recorded(case: str, services: LanguageServices) -> None:
    services.names_own_host = True
    await asyncio.to_thread(LIBRARIES[case], services.url)
    sent = [essence(request) for request in services.requests]
    if case == "google-language":  # Its library has no key here.
        sent[0]["headers"] = ["x-goog-api-key"]
    assert sent == RECORDED[case]
