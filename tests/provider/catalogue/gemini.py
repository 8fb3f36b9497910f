"""Gemini through its endpoint that speaks the OpenAI API (https://ai.google.dev/gemini-api/docs/openai).

Unknown fields: https://github.com/Vali-98/ChatterUI/issues/227. A limit that the reasoning used up leaves no content:
https://github.com/googleapis/python-genai/issues/811. An emoji's halves, escaped, come in two chunks (the form:
https://github.com/elizaOS/eliza/issues/30904).
"""

import json
from collections.abc import Iterator

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, kinds, unknown
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json
from tests.provider.gemini import GEMINI

_KNOWN = (
    "model messages temperature top_p n stream stream_options stop max_tokens max_completion_tokens response_format"
    " reasoning_effort tools tool_choice user extra_body"
)


class Gemini(Behaviour):
    """A reasoning model. Its reasoning tokens are only in the total."""

    name = "gemini"
    model = "gemini-2.5-flash"
    thinks = 250
    errors = kinds(
        rate_limited=Refusal(*GEMINI["rate"], waits=22.5),
        too_large=Refusal(*GEMINI["too-long"]),
        wrong_key=Refusal(*GEMINI["wrong-key"]),
        unknown_model=Refusal(*GEMINI["no-model"]),
        overloaded=Refusal(*GEMINI["overloaded"]),
    )

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        return f"google:{self.model}", {"GEMINI_API_KEY": "played", "GOOGLE_GEMINI_BASE_URL": root}

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        wrong = [
            f'Invalid JSON payload received. Unknown name "{name}": Cannot find field.'
            for name in unknown(body, _KNOWN)
        ]
        if not wrong:
            return None
        details = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"description": wrong[0]}]}
        message = {"code": 400, "message": "\n".join(wrong), "status": "INVALID_ARGUMENT", "details": [details]}
        return Refusal(400, [{"error": message}])

    def message(self, output: ModelOutput) -> Json:
        return super().message(output) if output.text or output.calls else {"role": "assistant"}

    def calls(self, output: ModelOutput) -> list[Json]:
        """The first call has the signature of the thought
        (https://ai.google.dev/gemini-api/docs/thought-signatures).
        """
        first, *rest = super().calls(output) or [{}]
        return [{**first, "extra_content": {"google": {"thought_signature": "EqQB"}}}, *rest] if first else []

    def usage(self, output: ModelOutput) -> Json:
        answer = output.tokens - output.thinking
        return {
            "completion_tokens": answer,
            "prompt_tokens": output.prompt,
            "total_tokens": output.prompt + output.tokens,
        }

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        """Every chunk has the role and the usage so far; the last text comes with the finish reason."""
        if output.calls:
            delta = {"role": "assistant", "tool_calls": [{"index": 0, **call} for call in self.calls(output)]}
            yield {**self.chunk(body, delta, self.called), "usage": self.usage(output)}
            return
        halves = json.dumps(output.text)[1:-1].replace("\\ud83d\\u", "\\ud83d\0\\u").split("\0") if output.text else []
        parts = [json.loads(f'"{half}"') for half in halves] or [None]
        for number, part in enumerate(parts, 1):
            delta = {"role": "assistant"} if part is None else {"role": "assistant", "content": part}
            last = number == len(parts)
            yield {**self.chunk(body, delta, self.finish(output) if last else None), "usage": self.usage(output)}
