"""Servers with Anthropic's behaviour in OpenAI's shape, such as its own compatibility layer and gateways.

`response_format`, `seed` and `strict` are ignored: https://docs.anthropic.com/en/api/openai-sdk. Errors:
https://docs.anthropic.com/en/api/errors; the balance: https://github.com/anthropics/claude-code/issues/4684. Stop
reasons and pings: https://docs.anthropic.com/en/api/messages-streaming.
"""

from collections.abc import Iterator

from tests.provider.catalogue.behaviour import Behaviour, Refusal, event, kinds
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json
from tests.provider.headers import header_names


def _body(kind: str, message: str) -> Json:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


class AnthropicCompatible(Behaviour):
    """JSON comes in a fence, after a sentence."""

    name = "anthropic-compatible"
    model = "claude-sonnet-4-5"
    stop, length = "end_turn", "max_tokens"
    wrap = "Here is the JSON:\n\n```json\n{}\n```"
    follows_formats = False
    headers = header_names(
        {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-requests-reset": "2030-01-01T00:00:00Z",
        }
    )
    errors = kinds(
        rate_limited=Refusal(
            429,
            _body("rate_limit_error", "This request would exceed your organization's rate limit of 50 per minute."),
            {"retry-after": "13"},
            waits=13,
        ),
        unpaid=Refusal(
            400,
            _body(
                "invalid_request_error",
                "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing.",
            ),
        ),
        too_large=Refusal(400, _body("invalid_request_error", "prompt is too long: 209303 tokens > 200000 maximum")),
        filtered=Refusal(400, _body("invalid_request_error", "Output blocked by content filtering policy")),
        wrong_key=Refusal(401, _body("authentication_error", "invalid x-api-key")),
        unknown_model=Refusal(404, _body("not_found_error", "model: claude-9")),
        overloaded=Refusal(529, _body("overloaded_error", "Overloaded")),
    )
    stream_errors = kinds(
        overloaded=event(_body("overloaded_error", "Overloaded"), "error"),
        rate_limited=event(_body("rate_limit_error", "Number of request tokens has exceeded your limit"), "error"),
    )

    def events(self, body: Json, output: ModelOutput) -> Iterator[str]:
        first, *rest = super().events(body, output)
        yield f"retry: 3000\n\n{first}"
        yield event({"type": "ping"}, "ping")
        yield from rest
