"""Refusals of Google: bodies of the endpoint that speaks the OpenAI API, a list with one error.

Codes: https://ai.google.dev/gemini-api/docs/troubleshooting; the shape is google.rpc.Status
(https://cloud.google.com/apis/design/errors) with details of `google/rpc/error_details.proto` in googleapis/googleapis.
"""

from tests.provider.completions import Json

Refusal = tuple[int, list[Json], dict[str, str]]
"""Status, body and headers."""
_RPC = "type.googleapis.com/google.rpc"


def _error(code: int, status: str, message: str, *details: Json) -> Refusal:
    error: Json = {"code": code, "message": message, "status": status}
    return code, [{"error": error | ({"details": list(details)} if details else {})}], {}


GEMINI: dict[str, Refusal] = {
    "wrong-key": _error(
        400,
        "INVALID_ARGUMENT",
        "API key not valid. Please pass a valid API key.",
        {"@type": f"{_RPC}.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"},
        {"@type": f"{_RPC}.LocalizedMessage", "locale": "en-US", "message": "API key not valid."},
    ),
    "wrong-key-in-other-words": _error(
        400, "INVALID_ARGUMENT", "No.", {"@type": f"{_RPC}.ErrorInfo", "reason": "API_KEY_INVALID"}
    ),
    "expired-token": _error(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    "country": _error(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
    "no-permission": _error(403, "PERMISSION_DENIED", "Permission 'aiplatform.endpoints.predict' denied on secret."),
    "no-model": _error(404, "NOT_FOUND", "models/gemini-0 is not found for API version v1main."),
    "invalid": _error(400, "INVALID_ARGUMENT", "Unable to submit request: temperature must be in [0, 2]."),
    "unknown-field": _error(
        400, "INVALID_ARGUMENT", 'Invalid JSON payload received. Unknown name "seed": Cannot find field.'
    ),
    "too-long": _error(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    ),
    "rate": _error(
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        {
            "@type": f"{_RPC}.QuotaFailure",
            "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}],
        },
        {"@type": f"{_RPC}.Help", "links": [{"url": "https://ai.google.dev/gemini-api/docs/rate-limits"}]},
        {"@type": f"{_RPC}.RetryInfo", "retryDelay": "22.5s"},
    ),
    "rate-vertex": _error(429, "RESOURCE_EXHAUSTED", "Resource exhausted. Please try again later."),
    "internal": _error(500, "INTERNAL", "An internal error has occurred."),
    "overloaded": _error(503, "UNAVAILABLE", "The model is overloaded. Please try again later."),
    "too-slow": _error(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
