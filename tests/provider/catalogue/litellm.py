"""LiteLLM's proxy before a model at Bedrock (https://docs.litellm.ai/docs/proxy/user_keys).

Unsupported parameters: https://docs.litellm.ai/docs/completion/drop_params. Errors:
https://docs.litellm.ai/docs/exception_mapping, https://github.com/open-webui/open-webui/issues/5469 (budget),
https://github.com/OpenHands/OpenHands/issues/5350 (too long).
"""

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, kinds
from tests.provider.completions import Json
from tests.provider.headers import header_names

_GROUP = "Received Model Group=claude\nAvailable Model Group Fallbacks=None"


class LiteLLM(Behaviour):
    """A model that refuses every format of the response, and the seed."""

    name = "litellm"
    model = "claude"
    prefix = ""
    steps = 3
    wrap = "```json\n{}\n```"
    headers = header_names({"x-litellm-version": "1.81.12", "x-litellm-response-cost": "0.00012"})
    errors = kinds(
        rate_limited=error(
            429,
            "litellm.RateLimitError: BedrockException - Too many requests, please wait before trying again. " + _GROUP,
            "throttling_error",
            "429",
        ),
        unpaid=error(400, "Budget has been exceeded! Current cost: 0.3759, Max budget: 0.35", "budget_exceeded", "400"),
        too_large=error(
            400,
            "litellm.ContextWindowExceededError: litellm.BadRequestError: BedrockException - Input is too long for"
            " requested model. " + _GROUP,
            None,
            "400",
        ),
        filtered=error(
            400,
            "litellm.ContentPolicyViolationError: litellm.BadRequestError: AzureException - The response was filtered",
            None,
            "400",
        ),
        wrong_key=error(401, "Authentication Error, Invalid proxy server token passed.", "auth_error", "401"),
        unknown_model=error(
            400, "Invalid model name passed in model=x. Call `/v1/models`.", None, "400", param="model"
        ),
        overloaded=error(503, "litellm.ServiceUnavailableError: BedrockException - retry. " + _GROUP, None, "503"),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        if refused := [name for name in ("response_format", "seed") if name in body]:
            wrong = f"litellm.UnsupportedParamsError: bedrock does not support parameters: {refused}, for model=claude."
            advice = "To drop these, set `litellm.drop_params=True`."
            return error(400, f"{wrong} {advice} {_GROUP}", None, "400")
        return None
