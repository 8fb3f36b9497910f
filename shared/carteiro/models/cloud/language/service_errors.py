"""Errors of language services, as failures of `carteiro.models.errors`.

They have codes and wordings of their own: Azure Translator's numbers
(https://learn.microsoft.com/azure/ai-services/translator/text-translation/reference/status-response-codes), the codes
of Azure Language (`Language` in Azure/azure-rest-api-specs, `common.json`), and Google's words for a language and for a
quota (https://cloud.google.com/translate/quotas: the status is 403). All others are those of chat models.
"""

import re
from collections.abc import Mapping
from typing import Any

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.error_classifier import ERROR_IN_200, ErrorClassifier
from carteiro.models.cloud.errors import failure_of_response
from carteiro.models.cloud.retry_after import retry_after
from carteiro.models.errors import InvalidPrompt, Misconfigured, ModelError, PromptTooLarge, QuotaExhausted, Unsupported

_QUOTA_CODES = re.compile(r"403001|daily_?limit_?exceeded\w*")
_QUOTA_WORDS = re.compile(r"\bdaily limit exceeded|\bexceeded its free quota|\bout of call volume quota")
_DAILY = re.compile(r"\blimit\b[^\n]{0,200}\bper day\b", re.IGNORECASE)
"""Google names the limit in quotation marks, which are left out of the provider's own words."""
_TOO_LONG_CODES = re.compile(r"400050|400077")
_LANGUAGE_CODES = re.compile(
    r"4000(?:03|06|19|23|35|36)|40007[59]|unsupported_?language\w*|invalid_?language\w*|language_not_supported"
)
_LANGUAGE_WORDS = re.compile(
    r"\b(?:source|target) language\b[^.\n]{0,60}\b(?:invalid|unsupported|not (?:valid|supported))"
    r"|\bbad language pair|\bunsupported language|\binvalid language|\blanguage pair\b[^.\n]{0,60}\bnot supported"
    r"|\blanguage (?:code )?\S{1,40} is not supported"
)
_DEPLOYMENT_CODES = re.compile(r"400002")
_REJECTED = (ERROR_IN_200, 400, 422)


def service_failure(
    status: int, body: Any, name: str, endpoint: Endpoint, headers: Mapping[str, str], text: str
) -> ModelError:
    """Return the failure for an answer that is an error. `text` is the caller's, which the message must not repeat.

    `name` is the service's name in failures. The status of an error within a successful answer is `ERROR_IN_200`.
    """
    request = {"input": text}
    error = ErrorClassifier(status, body, headers, request)
    if error.status in (403, 429, ERROR_IN_200) and _is_quota_exhausted(error):
        wait = retry_after(error.headers, error.body.retry_delay, error.text.words, endpoint.max_retry_after)
        return QuotaExhausted(
            f"The quota of {name} is used up: check the provider's plan and billing", wait, error.headers
        )
    if error.status in _REJECTED:
        if error.has_code(_TOO_LONG_CODES):
            return PromptTooLarge(f"The text is too long for {name}")
        if error.has_code(_LANGUAGE_CODES) or error.matches(_LANGUAGE_WORDS):
            return Unsupported(f"{name} does not take the language: {error.text.safe_message()}")
        if error.has_code(_DEPLOYMENT_CODES):
            return Misconfigured(f"{name} is not there: check {endpoint.not_found_hint}")
    failure = failure_of_response(status, body, name, endpoint, headers, request)
    if status == ERROR_IN_200 and failure.code == "model_unavailable" and error.status == ERROR_IN_200:
        # An error about one document, in an answer of a service that works.
        return InvalidPrompt(f"{name} turned the text down: {error.text.safe_message()}")
    return failure


def _is_quota_exhausted(error: ErrorClassifier) -> bool:
    if "resource_exhausted" in error.body.codes and _DAILY.search(error.body.message):
        return True
    return error.has_code(_QUOTA_CODES) or error.matches(_QUOTA_WORDS)
