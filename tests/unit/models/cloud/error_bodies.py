"""Bodies of errors as providers send them, with the status and the failure that each is.

Sources, by the first word of a name: anthropic https://docs.claude.com/en/api/errors; openai
https://platform.openai.com/docs/guides/error-codes; azure https://learn.microsoft.com/azure/ai-foundry/openai/quotas-limits;
gemini https://ai.google.dev/gemini-api/docs/troubleshooting; groq https://console.groq.com/docs/errors and
.../rate-limits; mistral, cohere, together, fireworks, xai, deepseek, kimi, zhipu, dashscope, minimax: the error pages
of their documentation; bedrock https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html; openrouter
https://openrouter.ai/docs/api/reference/errors-and-debugging; litellm `proxy/_types.py` and
`litellm_core_utils/exception_mapping_utils.py` in BerriAI/litellm; tgi `router/src/lib.rs` in
huggingface/text-generation-inference; vllm `vllm/entrypoints/openai` in vllm-project/vllm; cloudflare
https://developers.cloudflare.com/support/troubleshooting/http-status-codes; the rest are public reports of users.
"""

from typing import Any

from carteiro.models.errors import (
    ContentFiltered,
    InvalidOutput,
    InvalidPrompt,
    Misconfigured,
    ModelError,
    PromptTooLarge,
    QuotaExhausted,
    RateLimited,
    Unaffordable,
    Unavailable,
    Unsupported,
)

Case = tuple[int, Any, type[ModelError]]


def error(message: str, kind: str | None = None, code: Any = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code, **more}}


def anthropic(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}}


_GROQ = "Rate limit reached for model `llama` in organization `org_x` service tier `on_demand` on tokens per minute"
_AFFORD = (
    "This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford"
)

REFUSALS: dict[str, Case] = {
    # The rate limit is reached.
    "anthropic-rate": (429, anthropic("rate_limit_error", "This request would exceed the rate limit"), RateLimited),
    "anthropic-overloaded": (529, anthropic("overloaded_error", "Overloaded"), RateLimited),
    "anthropic-overloaded-as-500": (500, anthropic("overloaded_error", "Overloaded"), RateLimited),
    "groq-rate": (
        429,
        error(f"{_GROQ} (TPM): Limit 6000, Used 5500, Requested 900. Please try again in 6.57s.", "tokens"),
        RateLimited,
    ),
    "mistral-capacity": (
        429,
        {"object": "error", "message": "Service tier capacity exceeded for this model.", "code": "3505"},
        RateLimited,
    ),
    "mistral-capacity-as-400": (400, {"message": "Service tier capacity exceeded for this model."}, RateLimited),
    "azure-rate": (
        429,
        error("Requests have exceeded call rate limit of your tier. Please retry after 22 seconds.", None, "429"),
        RateLimited,
    ),
    "bedrock-throttled": (
        400,
        {"__type": "ThrottlingException", "message": "Too many tokens, please wait before trying again."},
        RateLimited,
    ),
    "cohere-trial": (
        429,
        {"message": "You are using a Trial key, which is limited to 10 API calls / minute."},
        RateLimited,
    ),
    "together-rate": (429, error("You have reached the limit of this model", "model_rate_limit"), RateLimited),
    "event-as-500": (500, 'data: {"error":{"message":"Slow","code":429}}\n\n', RateLimited),
    "gateway-429-as-500": (500, error("Try later.", None, 429, status="RESOURCE_EXHAUSTED"), RateLimited),
    "kimi-overloaded": (429, error("The engine is currently overloaded", "engine_overloaded_error"), RateLimited),
    "zhipu-rate": (400, error("当前API请求过多", None, "1305"), RateLimited),
    "openrouter-free": (
        429,
        error("Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 requests", None, 429),
        RateLimited,
    ),
    "openrouter-upstream": (
        400,
        error(
            "Provider returned error", None, 429, metadata={"raw": "x is rate-limited upstream", "provider_name": "Y"}
        ),
        RateLimited,
    ),
    # The account is empty.
    "anthropic-unpaid": (
        400,
        anthropic("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
        QuotaExhausted,
    ),
    "anthropic-usage-limit": (
        400,
        anthropic("invalid_request_error", "You have reached your specified API usage limits."),
        QuotaExhausted,
    ),
    "deepseek-unpaid": (402, error("Insufficient Balance", "unknown_error", "invalid_request_error"), QuotaExhausted),
    "openrouter-unpaid": (402, error("Insufficient credits. Add more on the settings page", None, 402), QuotaExhausted),
    "openrouter-affords-nothing": (402, error(f"{_AFFORD} 0.", None, 402), QuotaExhausted),
    "xai-unpaid": (
        403,
        {"code": "The caller does not have permission", "error": "Your team doesn't have any credits yet."},
        QuotaExhausted,
    ),
    "xai-spent": (
        429,
        {
            "code": "Exhausted",
            "error": "Your team has used all available credits or reached its monthly spending limit.",
        },
        QuotaExhausted,
    ),
    "together-unpaid": (402, error("Credit limit exceeded", "credit_limit"), QuotaExhausted),
    "kimi-unpaid": (429, error("Your account is suspended", "exceeded_current_quota_error"), QuotaExhausted),
    "zhipu-unpaid": (429, error("您的账户已欠费，请充值后重试。", None, "1113"), QuotaExhausted),
    "dashscope-unpaid": (400, error("Your account is not in good standing.", None, "Arrearage"), QuotaExhausted),
    "minimax-unpaid": (200, {"base_resp": {"status_code": 1008, "status_msg": "no money"}}, QuotaExhausted),
    "perplexity-unpaid": (401, error("You exceeded your current quota", "insufficient_quota"), QuotaExhausted),
    "fireworks-suspended": (
        412,
        error("Account x is suspended, possibly due to reaching the monthly spending limit."),
        QuotaExhausted,
    ),
    "openrouter-key-limit": (
        403,
        error("Key limit exceeded (total limit). Manage it using x", None, 403),
        QuotaExhausted,
    ),
    "huggingface-unpaid": (402, {"error": "You have exceeded your monthly included credits."}, QuotaExhausted),
    "litellm-budget-of-the-key": (
        400,
        error("Budget has been exceeded! Current cost: 12.3, Max budget: 10.0", "budget_exceeded", "400"),
        QuotaExhausted,
    ),
    # The request is too expensive.
    "openrouter-price": (402, error(f"{_AFFORD} 4000.", None, 402), Unaffordable),
    "openrouter-price-of-prompt": (
        402,
        error("Prompt tokens limit exceeded: 12345 > 4000.", None, 402),
        PromptTooLarge,
    ),
    "litellm-budget-of-a-user": (
        400,
        error("ExceededBudget: End User=caller over budget. Spend=1, Budget=0.5", "budget_exceeded", "400"),
        Unaffordable,
    ),
    # A filter stopped the request.
    "openrouter-flagged": (
        403,
        error("Your input was flagged. No credits were charged.", None, 403, metadata={"reasons": ["violence"]}),
        ContentFiltered,
    ),
    "azure-filter": (
        400,
        error("Filtered.", None, "x", innererror={"code": "ResponsibleAIPolicyViolation"}),
        ContentFiltered,
    ),
    "openai-policy": (400, error("Rejected.", "invalid_request_error", "content_policy_violation"), ContentFiltered),
    "openai-safety": (400, error("Your request was rejected as a result of our safety system."), ContentFiltered),
    "openai-usage-policy": (
        400,
        error(
            "Invalid prompt: your prompt was flagged as potentially violating our usage policy.", None, "invalid_prompt"
        ),
        ContentFiltered,
    ),
    "anthropic-filter": (
        400,
        anthropic("invalid_request_error", "Output blocked by content filtering policy"),
        ContentFiltered,
    ),
    "deepseek-filter": (400, error("Content Exists Risk", "invalid_request_error"), ContentFiltered),
    "kimi-filter": (400, error("The request was rejected because it was considered high risk"), ContentFiltered),
    "zhipu-filter": (400, error("系统检测到输入或生成内容可能包含不安全或敏感内容", None, "1301"), ContentFiltered),
    "dashscope-filter": (
        400,
        error("Input data may contain inappropriate content.", None, "DataInspectionFailed"),
        ContentFiltered,
    ),
    "gemini-filter": (
        400,
        error("The prompt could not be submitted.", None, 400, status="PROHIBITED_CONTENT"),
        ContentFiltered,
    ),
    "bedrock-guardrail": (400, {"error": {"error": "Violated guardrail policy"}}, ContentFiltered),
    "litellm-filter": (400, error("litellm.ContentPolicyViolationError: AzureException - No."), ContentFiltered),
    "451": (451, error("Unavailable for legal reasons"), ContentFiltered),
    # The request is too large for the rate limit.
    "groq-request-too-large": (
        413,
        error(
            "Request too large on tokens per minute (TPM): Limit 6000, Requested 9000", "tokens", "rate_limit_exceeded"
        ),
        PromptTooLarge,
    ),
    "llama.cpp-as-500": (500, {"error": "the request exceeds the available context size"}, PromptTooLarge),
    # The model does not support the request.
    "mistral-unknown-field": (
        422,
        {
            "object": "error",
            "message": {"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "Extra inputs"}]},
        },
        Unsupported,
    ),
    "openrouter-unknown-field": (
        400,
        error(
            "Provider returned error",
            None,
            400,
            metadata={
                "raw": '{"error":{"message":"Unsupported parameter: \'seed\'","code":null}}',
                "provider_name": "A",
            },
        ),
        Unsupported,
    ),
    "openrouter-no-route": (
        404,
        error("No endpoints found that support the requested parameters", None, 404),
        Unsupported,
    ),
    "418": (418, error("I'm a teapot"), Unsupported),
    "431": (431, "", Unsupported),
    "openai-out-of-range": (400, error("Invalid value: must be less than 2", None, None, param="top_p"), InvalidPrompt),
    "openai-long-user": (
        400,
        error("Invalid 'user': string too long. Expected a string with maximum length 64", param="user"),
        InvalidPrompt,
    ),
    "groq-json": (
        400,
        error("Failed to generate JSON.", "invalid_request_error", "json_validate_failed", failed_generation='{"x":'),
        InvalidOutput,
    ),
    "llama.cpp-grammar-as-500": (500, error("failed to parse grammar", "server_error", 500), InvalidPrompt),
    "ollama-format-as-500": (500, error("failed to load model vocabulary required for format"), InvalidPrompt),
    # The provider rejects the service's credential or model.
    "huggingface-no-provider": (
        400,
        error(
            "The requested model 'x' is not supported by any provider you have enabled.", None, "model_not_supported"
        ),
        Misconfigured,
    ),
    "openai-deprecated": (400, error("The model `gpt-4-32k` has been deprecated, learn more here"), Misconfigured),
    "no-longer-available": (400, error("This model is no longer available. Please use another"), Misconfigured),
    "bedrock-expired": (403, {"message": "The security token included in the request is expired"}, Misconfigured),
    "bedrock-no-model": (400, {"message": "The provided model identifier is invalid."}, Misconfigured),
    "bedrock-on-demand": (
        400,
        {"message": "Invocation of model ID x with on-demand throughput isn’t supported. Retry with a profile"},
        Misconfigured,
    ),
    "azure-version": (400, error("API version not supported", None, "BadRequest"), Misconfigured),
    "azure-no-version": (400, error("Missing required query parameter: api-version"), Misconfigured),
    "openrouter-data-policy": (404, error("No endpoints found matching your data policy. Enable x"), Misconfigured),
    "ollama-no-chat": (400, {"error": '"nomic-embed-text" does not support chat'}, Misconfigured),
    "nginx-http-for-https": (
        400,
        "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
        Misconfigured,
    ),
    "litellm-wrong-key": (
        400,
        error("litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key provided: sk-x"),
        Misconfigured,
    ),
    "xai-wrong-key": (400, {"code": "Bad", "error": "Incorrect API key provided: xa***yz."}, Misconfigured),
    "ollama-no-model": (404, {"error": "model 'x' not found"}, Misconfigured),
    "deepseek-no-model": (400, error("Model Not Exist", "invalid_request_error"), Misconfigured),
    "openrouter-no-model": (400, error("foo/bar is not a valid model ID", None, 400), Misconfigured),
    "groq-old-model": (
        400,
        error("The model `x` has been decommissioned.", None, "model_decommissioned"),
        Misconfigured,
    ),
    "openai-country": (
        403,
        error("Country not supported", None, "unsupported_country_region_territory"),
        Misconfigured,
    ),
    "anthropic-disabled": (
        400,
        anthropic("invalid_request_error", "This organization has been disabled."),
        Misconfigured,
    ),
    # The provider is temporarily unavailable.
    "tgi-424": (424, {"error": "Request failed during generation", "error_type": "generation"}, Unavailable),
    "groq-498": (498, error("Flex tier capacity"), Unavailable),
    "nginx-499": (499, "", Unavailable),
    "cloudflare-403": (403, "<html><title>Attention Required! | Cloudflare</title></html>", Unavailable),
    "cloudflare-challenge": (403, "<html><title>Just a moment...</title></html>", Unavailable),
    "cloudflare-520": (520, "<html><title>Web server is returning an unknown error</title></html>", Unavailable),
    "cloudflare-524": (524, "<!DOCTYPE html>", Unavailable),
    "http-300": (300, "", Unavailable),
    "plain-503": (503, {"message": "Service Unavailable"}, Unavailable),
}

IN_ANSWERS: dict[str, tuple[Any, type[ModelError] | None]] = {
    "openrouter-half-way": (
        {
            "object": "chat.completion.chunk",
            "error": {"code": "server_error", "message": "Provider disconnected"},
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        },
        Unavailable,
    ),
    "openrouter-in-a-choice": ({"choices": [{"error": {"code": 502}, "finish_reason": "error"}]}, Unavailable),
    "anthropic-event": (anthropic("overloaded_error", "Overloaded"), RateLimited),
    "responses-event": ({"type": "error", "code": "rate_limit_exceeded", "message": "m"}, RateLimited),
    "responses-failed": (
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "server_error"}, "output": []}},
        Unavailable,
    ),
    "cloudflare": ({"success": False, "errors": [{"code": 7003, "message": "No route"}], "result": None}, Unavailable),
    "minimax": ({"base_resp": {"status_code": 1002, "status_msg": "m"}, "choices": None}, RateLimited),
    "zhipu": ({"code": 500, "msg": "404 NOT_FOUND", "success": False}, Unavailable),
    "text": ({"error": "the model is loading"}, Unavailable),
    "no-model": ({"error": "model 'x' not found"}, Misconfigured),
    "unknown-field": ({"error": {"message": "Unrecognized request argument supplied: seed"}}, Unsupported),
    "fastapi": ({"detail": [{"type": "extra_forbidden", "loc": ["body", "seed"], "msg": "No"}]}, Unsupported),
    "nested": ({"error": {"message": {"error": {"message": "Rate limit reached"}}}}, RateLimited),
    "a-completion": ({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "error": None}, None),
    "a-completion-with-a-note": (
        {"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "error": {"code": 1, "message": "m"}},
        None,
    ),
    "a-usage-chunk": ({"choices": [], "usage": {"prompt_tokens": 1}}, None),
    "minimax-completion": ({"base_resp": {"status_code": 0}, "choices": [{"message": {"content": "x"}}]}, None),
    "a-response": ({"object": "response", "status": "completed", "error": None, "output": []}, None),
    "a-delta": ({"type": "response.output_text.delta", "delta": "error"}, None),
    "a-ping": ({"type": "ping"}, None),
    "an-empty-error": ({"error": {}, "choices": None}, None),
    "nothing": (None, None),
    "a-number": (7, None),
}
