"""Refusals of Azure OpenAI: bodies in Azure's own form.

The shape is `errorResponse` and `innerError` of `AzureOpenAI/inference/stable/2024-10-21/inference.json` in
Azure/azure-rest-api-specs. The codes and messages are those of
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/content-filters and of /quota.
"""

from tests.provider.completions import Json

Refusal = tuple[int, Json, dict[str, str]]
"""Status, body and headers."""


def _error(code: str, message: str, **more: object) -> Json:
    return {"error": {"code": code, "message": message, **more}}


AZURE: dict[str, Refusal] = {
    "content-filter": (
        400,
        _error(
            "content_filter",
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            param="prompt",
            type=None,
            status=400,
            innererror={
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {
                    "hate": {"filtered": True, "severity": "high"},
                    "jailbreak": {"filtered": False, "detected": False},
                },
            },
        ),
        {},
    ),
    "content-filter-inner-alone": (
        400,
        _error("BadRequest", "Filtered.", innererror={"code": "ResponsibleAIPolicyViolation"}),
        {},
    ),
    "wrong-key": (
        401,
        _error(
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
            "an active subscription and use a correct regional API endpoint for your resource.",
        ),
        {},
    ),
    "no-role": (
        401,
        _error("PermissionDenied", "The principal `secret-principal` lacks the required data action `chat/action`."),
        {},
    ),
    "firewall": (403, _error("AccessDenied", "Access denied due to Virtual Network/Firewall rules."), {}),
    "no-deployment": (
        404,
        _error("DeploymentNotFound", "The API deployment for this resource does not exist."),
        {},
    ),
    "no-resource": (404, _error("404", "Resource not found"), {}),
    "other-api": (
        400,
        _error("OperationNotSupported", "The chatCompletion operation does not work with the specified model, codex."),
        {},
    ),
    "too-long": (
        400,
        _error(
            "context_length_exceeded",
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 10012 tokens.",
            type="invalid_request_error",
            param="messages",
        ),
        {},
    ),
    "rate": (
        429,
        _error("429", "Requests to the ChatCompletions_Create Operation have exceeded token rate limit of S0."),
        {"Retry-After": "7", "retry-after-ms": "6500", "x-ratelimit-remaining-requests": "0"},
    ),
    "unpaid": (429, _error("insufficient_quota", "You exceeded your current quota."), {}),
    "overloaded": (503, _error("ServiceUnavailable", "That model is currently overloaded."), {}),
}
