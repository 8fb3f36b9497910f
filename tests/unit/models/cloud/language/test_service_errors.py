"""Errors of language services: what they keep of the provider's words, and which fall to the common classifier."""

import pytest

from carteiro.models.cloud.error_classifier import ERROR_IN_200
from carteiro.models.cloud.language.service_errors import service_failure
from carteiro.models.errors import InvalidPrompt, Misconfigured, ModelError, QuotaExhausted, Unavailable, Unsupported
from tests.unit.models.cloud.language.conftest import endpoint


def failure(status: int, body: object, text: str = "any text", **headers: str) -> ModelError:
    return service_failure(status, body, "x:", endpoint("http://h"), headers, text)


def test_daily_quota_has_the_providers_wait_up_to_the_bound() -> None:
    body = {"error": {"code": 403, "message": "Daily Limit Exceeded", "status": "PERMISSION_DENIED"}}
    found = failure(403, body, **{"retry-after": "99999"})
    assert isinstance(found, QuotaExhausted)
    assert found.retry_after == 3600


@pytest.mark.parametrize(
    "message",
    [
        "Source language is not supported",
        "The language sv is not supported for document_sentiment analysis.",
        "Bad language pair: {0}",
        "Invalid language code. Supported languages: de,en",
    ],
)
def test_wordings_about_a_language(message: str) -> None:
    assert type(failure(400, {"error": {"code": 400, "message": message}})) is Unsupported


def test_text_about_a_language_that_the_message_repeats_is_no_language_error() -> None:
    text = "the target language is invalid, wrote my teacher"
    assert type(failure(400, {"error": {"message": f"Malformed: {text}"}}, text)) is InvalidPrompt


def test_page_of_a_proxy_and_a_redirect_are_of_the_common_classifier() -> None:
    assert isinstance(failure(502, "<html><title>Bad gateway</title></html>"), Unavailable)
    assert isinstance(failure(302, ""), Misconfigured)


def test_error_of_one_document_says_nothing_about_the_service() -> None:
    body = [{"id": "0", "error": {"code": "InvalidArgument", "innererror": {"code": "EmptyRequest", "message": "No."}}}]
    assert type(failure(ERROR_IN_200, body)) is InvalidPrompt
