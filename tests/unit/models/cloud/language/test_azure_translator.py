"""Azure Translator: requests, splitting, usage and refusals."""

import re

import pytest

from carteiro.models.errors import (
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    Unsupported,
)
from carteiro.schemas import Usage
from tests.provider.language_services import KEY, LanguageServices
from tests.unit.models.cloud.language.conftest import OpenService


async def test_text_is_translated_and_its_language_recognised(
    services: LanguageServices, open_service: OpenService
) -> None:
    model = open_service("azure-translator:", AZURE_TEXT_TRANSLATION_REGION="westeurope")
    found = await model.translate("  Olá 😀\n", None, "en")
    assert (found.text, found.source, found.finish_reason) == ("  en[Olá 😀]\n", "pt", "stop")
    assert found.usage == Usage(characters=5)
    assert services.last.headers["ocp-apim-subscription-key"] == KEY
    assert services.last.headers["ocp-apim-subscription-region"] == "westeurope"
    assert "authorization" not in services.last.headers


async def test_given_source_is_sent_without_its_region(services: LanguageServices, open_service: OpenService) -> None:
    found = await open_service("azure-translator:").translate("Good morning", "en-GB", "pt-BR")
    assert (found.text, found.source) == ("pt[Good morning]", "en-GB")
    (item,) = services.last.body["inputs"]
    assert item == {"text": "Good morning", "language": "en", "targets": [{"language": "pt"}]}


async def test_long_text_is_split_at_sentences_by_utf16_units(
    services: LanguageServices, open_service: OpenService
) -> None:
    text = "This is a sentence 😀.\n\n" * 3000
    found = await open_service("azure-translator:").translate(text, "en", "pt")
    sent = [request.body["inputs"][0]["text"] for request in services.requests]
    assert len(sent) == 2
    assert all(each.startswith("This") and each.endswith("😀.") for each in sent)
    assert "".join(f"{each}\n\n" for each in re.findall(r"pt\[(.*?)\]\n\n", found.text, re.DOTALL)) == text
    assert found.usage.characters == sum(map(len, sent))


async def test_tone_needs_a_large_language_model(services: LanguageServices, open_service: OpenService) -> None:
    with pytest.raises(Unsupported, match="azure-translator:DEPLOYMENT"):
        await open_service("azure-translator:").translate_in_tone("Hi", None, "pt", "formal")
    assert not services.requests
    found = await open_service("azure-translator:gpt").translate_in_tone("Hi", None, "pt", "formal")
    assert found.text == "formal pt[Hi]"
    (target,) = services.last.body["inputs"][0]["targets"]
    assert target == {"language": "pt", "deploymentName": "gpt", "tone": "formal", "allowFallback": False}
    assert found.usage == Usage(input_tokens=26, output_tokens=16)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "words"),
    [
        (400, 400036, "The target language is not valid.", Unsupported, "does not take the language: The target"),
        (400, 400050, "The input text is too long.", PromptTooLarge, "too long for azure-translator:"),
        (400, 400002, 'The "category" parameter is invalid.', Misconfigured, "the deployment's name"),
        (400, 400074, "The body of the request isn't valid JSON.", InvalidPrompt, "turned the request down"),
        (401, 401000, "The request isn't authorized.", Misconfigured, "AZURE_TEXT_TRANSLATION_APIKEY"),
        (403, 403000, "The operation isn't allowed.", Misconfigured, "denies access"),
        (403, 403001, "The subscription has exceeded its free quota.", QuotaExhausted, "used up"),
        (408, 408001, "The translation system is being prepared.", Unavailable, "HTTP status 408"),
        (429, 429001, "The client exceeded request limits.", RateLimited, "no more calls"),
        (500, 500000, "An unexpected error occurred.", Unavailable, "HTTP status 500"),
        (503, 503000, "Service is temporarily unavailable.", Unavailable, "HTTP status 503"),
    ],
)
async def test_numbers_of_errors_have_their_codes(
    services: LanguageServices,
    open_service: OpenService,
    status: int,
    code: int,
    message: str,
    kind: type[ModelError],
    words: str,
) -> None:
    services.answer({"error": {"code": code, "message": message}}, status)
    with pytest.raises(kind, match=words) as caught:
        await open_service("azure-translator:").translate("Hello there", None, "pt")
    assert type(caught.value) is kind
    assert caught.value.usage is None


async def test_pause_that_was_asked_for_is_passed_on(services: LanguageServices, open_service: OpenService) -> None:
    model = open_service("azure-translator:")
    services.answer({"error": {"code": 429001, "message": "Slower."}}, 429, Retry_After="7")
    with pytest.raises(RateLimited) as caught:
        await model.translate("Hello", None, "pt")
    assert caught.value.retry_after == 7
    assert 6 < model.retry_after_seconds <= 8


async def test_message_does_not_repeat_the_text(services: LanguageServices, open_service: OpenService) -> None:
    secret = "my secret is that I never liked the harbour at night"
    message = f"The target language is not valid for {secret}."
    services.answer({"error": {"code": 400036, "message": message}}, 400)
    with pytest.raises(Unsupported) as caught:
        await open_service("azure-translator:").translate(secret, None, "pt")
    assert "harbour" not in caught.value.message


@pytest.mark.parametrize(
    "answer",
    [
        {"value": []},
        {"value": [{"translations": []}]},
        {"value": [{"translations": [{"text": 3}]}]},
        [],
        "text",
    ],
)
async def test_other_answers_are_paid_failures(
    services: LanguageServices, open_service: OpenService, answer: object
) -> None:
    services.answer(answer)
    with pytest.raises(Unavailable, match="something that was not asked for") as caught:
        await open_service("azure-translator:").translate("Hello", None, "pt")
    assert caught.value.has_answered
    assert caught.value.usage == Usage(characters=5)


@pytest.mark.parametrize("counted", [-1, "many", 10**12, True, None])
async def test_counts_that_are_none_cost_no_answer(
    services: LanguageServices, open_service: OpenService, counted: object
) -> None:
    translation = {"text": "Olá", "sourceCharacters": counted, "sourceTokens": counted}
    services.answer({"value": [{"translations": [translation]}]}, X_metered_usage="lots")
    found = await open_service("azure-translator:").translate("Hello", "en", "pt")
    assert (found.text, found.usage) == ("Olá", Usage(characters=5))


async def test_own_domain_has_the_api_under_a_path(open_service: OpenService) -> None:
    at = {
        "https://name.cognitiveservices.azure.com/": (
            "https://name.cognitiveservices.azure.com/translator/text/v2026-06-06"
        ),
        "https://name.cognitiveservices.azure.com/translator/text": (
            "https://name.cognitiveservices.azure.com/translator/text"
        ),
        "": "https://api.cognitive.microsofttranslator.com",
    }
    for set_to, url in at.items():
        assert open_service("azure-translator:", AZURE_TEXT_TRANSLATION_ENDPOINT=set_to)._endpoint.url == url


async def test_probe_translates_one_word(services: LanguageServices, open_service: OpenService) -> None:
    await open_service("azure-translator:").probe()
    assert services.last.body["inputs"][0]["text"] == "yes"
