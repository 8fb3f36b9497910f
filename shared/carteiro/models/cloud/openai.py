"""Models behind a server that speaks the OpenAI API: OpenAI itself, vLLM, Ollama, llama.cpp, LiteLLM and the like."""

import asyncio
import math
import string
from typing import Any, Literal

from openai import AsyncOpenAI, DefaultAioHttpClient, Timeout
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carteiro.models.cloud.errors import failure_of
from carteiro.models.failures import (
    ContentFiltered,
    InvalidOutput,
    Misconfigured,
    ModelUnusable,
    Refused,
    Unavailable,
)
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import FinishReason, Usage

OPENAI_URL = "https://api.openai.com/v1"
"""Where OpenAI itself is."""

CompletionLimit = Literal["max_completion_tokens", "max_tokens"]
"""What a server calls the most tokens it may write: OpenAI has renamed it, compatible servers know the old name."""

_NO_KEY = "none"  # the SDK insists on a key; servers without one ignore it
_CONNECT_SECONDS = 5.0
_WORDS = (string.ascii_letters + string.whitespace).encode()
_ASCII = bytes(range(128))


class OpenAIModel:
    """A chat model that is called over the Chat Completions API.

    `name` is what replies call the model, `model` is what the provider calls it. `base_url` ends where
    `/chat/completions` begins; None is OpenAI itself. `timeout` bounds a whole call, in seconds, from connecting
    to the last byte. Nothing is tried twice: whether and when to retry is the worker's decision.

    Each model has its own client; its connections are kept open between calls and given back by `close`.
    """

    context_tokens: None = None
    """Only the provider knows."""
    small = False

    def __init__(
        self,
        name: str,
        model: str,
        *,
        timeout: float,
        base_url: str | None = None,
        api_key: str | None = None,
        completion_limit: CompletionLimit = "max_completion_tokens",
    ) -> None:
        self.name = name
        self._model = model
        self._timeout = timeout
        self._completion_limit = completion_limit
        key = (api_key or "").strip()  # a secret read from a file often ends in a line break
        self._unusable = _key_problem(key, required=not base_url)
        self._client = AsyncOpenAI(
            # Both always given: the SDK would look in the environment, and send OpenAI's key to any server.
            base_url=base_url or OPENAI_URL,
            api_key=key or _NO_KEY,
            max_retries=0,
            timeout=Timeout(None, connect=min(timeout, _CONNECT_SECONDS)),
            http_client=DefaultAioHttpClient(),
        )

    async def load(self) -> None:
        """Check the settings. Nothing is sent: a provider that is down must not keep a worker from starting.

        Raises `ModelUnusable` without a key that OpenAI could accept.
        """
        if self._unusable:
            raise ModelUnusable(f"{self.name} cannot be used: {self._unusable}")

    async def close(self) -> None:
        """Close the connections. Calls still in flight fail."""
        await self._client.close()

    def count_tokens(self, text: str) -> int:
        """Estimate how many tokens the text has.

        The rule: 3 letters or blanks make a token; every other ASCII character (digits, punctuation) is one;
        beyond ASCII, 2 bytes of UTF-8 make one. Measured against OpenAI's vocabularies (o200k, cl100k) this gives
        1.9 times the true count for English, 1.6 and 1.2 for Portuguese, 1.9 for code, 1.3 for JSON, 1.8 and 1.2
        for Chinese; a little less than it for Finnish in cl100k, and 0.7 of it for base64 and Amharic.
        """
        data = text.encode(errors="replace")
        without_words = data.translate(None, _WORDS)
        beyond_ascii = without_words.translate(None, _ASCII)
        return math.ceil(
            (len(data) - len(without_words)) / 3 + (len(without_words) - len(beyond_ascii)) + len(beyond_ascii) / 2
        )

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt with one call.

        A completion that was cut is returned with `finish_reason` `length`, also where JSON was asked for; it may
        be empty. Raises what `carteiro.models.failures` names, with the SDK's error as its cause.
        """
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._client.chat.completions.with_raw_response.create(**self._request(prompt))
            answer = _Answer.model_validate_json(response.content)
        except TimeoutError as error:
            raise Unavailable(f"{self.name} gave no complete answer within {self._timeout:g} s") from error
        except ValidationError as error:
            raise Unavailable(f"{self.name} answered with something that is not a completion") from error
        except Exception as error:  # noqa: BLE001 - the SDK's transport lets errors of aiohttp and others through
            failure = failure_of(error, self.name)
            # OpenAI's answer to a wrong key echoes parts of it: no traceback may show that.
            raise failure from (None if isinstance(failure, Misconfigured) else error)
        return self._completion(answer, prompt)

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        """The request's body: what was asked for, and nothing that was not."""
        request: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
        }
        if prompt.temperature is not None:
            request["temperature"] = prompt.temperature
        if prompt.max_output_tokens is not None:
            request[self._completion_limit] = prompt.max_output_tokens
        if prompt.seed is not None:
            request["seed"] = prompt.seed
        if prompt.stop:
            request["stop"] = list(prompt.stop)
        if prompt.json_schema is not None:
            request["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "completion", "schema": prompt.json_schema, "strict": True},
            }
        return request

    def _completion(self, answer: "_Answer", prompt: Prompt) -> Completion:
        choice = answer.choices[0]
        text = choice.message.content
        finish_reason: FinishReason
        if choice.message.refusal:
            raise Refused(f"{self.name} declined to answer")
        match choice.finish_reason:
            case "stop":
                finish_reason = "stop"
            case "length":
                finish_reason = "length"
                text = text or ""  # a reasoning model may reach the limit before its first word
            case "content_filter":
                raise ContentFiltered(f"The content filter of {self.name} stopped the completion")
            case "tool_calls" | "function_call":
                raise InvalidOutput(f"{self.name} called a tool instead of answering")
            case unknown:  # OpenRouter says "error" for a fault half way through
                raise Unavailable(f"{self.name} ended with the unknown finish reason {unknown[:40]!r}")
        if text is None:
            raise InvalidOutput(f"{self.name} answered without a text")
        return Completion(_before_stop(text, prompt), finish_reason, self._usage(answer, prompt, text))

    def _usage(self, answer: "_Answer", prompt: Prompt, text: str) -> Usage:
        if answer.usage is None:  # some gateways do not count; an estimate serves quotas better than nothing
            return Usage(
                input_tokens=sum(self.count_tokens(message.content) for message in prompt.messages),
                output_tokens=self.count_tokens(text),
            )
        return Usage(input_tokens=answer.usage.prompt_tokens, output_tokens=answer.usage.completion_tokens)


def _key_problem(key: str, *, required: bool) -> str | None:
    """What keeps the key from being sent, if anything does."""
    if not key and required:
        return "OPENAI_API_KEY is not set"
    if not (key.isascii() and key.isprintable()):
        return "the key in OPENAI_API_KEY has characters that no key has, such as a line break or an accent"
    return None


def _before_stop(text: str, prompt: Prompt) -> str:
    """The text up to the first stop text. OpenAI's servers leave it out; Transformers' server leaves it in."""
    return text[: min((at for stop in prompt.stop if (at := text.find(stop)) >= 0), default=len(text))]


# The part of a response that is read. The SDK's own types are built without validation, and whatever is not
# declared as JSON comes out of it as a string, so a wrong answer would show up late, as an AttributeError.
class _Part(BaseModel):
    model_config = ConfigDict(hide_input_in_errors=True)  # a traceback names no completion


class _Message(_Part):
    content: str | None = None
    refusal: str | None = None


class _Choice(_Part):
    message: _Message
    finish_reason: str


class _Tokens(_Part):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(_Part):
    choices: list[_Choice] = Field(min_length=1)
    usage: _Tokens | None = None
