"""Together (https://docs.together.ai/reference/chat-completions-1, https://docs.together.ai/docs/error-codes).

`eos` and the null usage: https://github.com/togethercomputer/together-python (types/common.py). Limits a second:
https://docs.together.ai/docs/rate-limits. Too long: https://github.com/stanford-crfm/helm/pull/2079.
"""

from collections.abc import Iterator

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, kinds
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json
from tests.provider.headers import header_names


class Together(Behaviour):
    """A model without reasoning."""

    name = "together"
    model = "meta-llama/Llama-3.3-70B-Instruct-Turbo"
    scheme = "together"
    limits = ("max_tokens",)
    stop = "eos"
    headers = header_names({"x-ratelimit-limit": "10", "x-ratelimit-remaining": "9", "x-ratelimit-reset": "1"})
    errors = kinds(
        rate_limited=Refusal(
            429,
            error(429, "You have reached the rate limit specific to this model.", "model_rate_limit").body,
            {"x-ratelimit-reset": "1"},
        ),
        unpaid=error(402, "Credit limit exceeded, please navigate to your billing settings.", "credit_limit"),
        too_large=error(
            422,
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 131073. Given: 140000 `inputs`"
            " tokens and 2048 `max_new_tokens`",
        ),
        wrong_key=error(401, "Invalid API key provided.", code="invalid_api_key"),
        unknown_model=error(404, "Unable to access model x.", code="model_not_available"),
        overloaded=error(503, "The server is overloaded or not ready yet.", "server_error"),
    )

    def whole(self, body: Json, output: ModelOutput) -> Json:
        return {**super().whole(body, output), "prompt": [], "warnings": []}

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        """Each chunk repeats its text. The last chunk has no delta and the whole usage."""
        for delta in self.deltas(output):
            chunk = self.chunk(body, {"tool_calls": [], **delta, "token_id": 42})
            chunk["choices"][0] |= {"text": delta.get("content", ""), "seed": None}
            yield {**chunk, "usage": None}
        last = self.chunk(body, {}, self.finish(output))
        last["choices"][0] |= {"delta": None, "text": ""}
        yield {**last, "usage": self.usage(output)}


class TogetherR1(Together):
    """A model with its reasoning in the content."""

    name = "together-deepseek-r1"
    model = "deepseek-ai/DeepSeek-R1"
    thinks = 250
    shown = "<think>"
