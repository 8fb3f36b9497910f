"""Vectors of the provider: the same text always gets the same vector. Its limits are those of real servers."""

import base64
import math
import random
from array import array
from collections.abc import Callable, Sequence
from typing import Any

from tests.provider.completions import Json

Refusal = tuple[int, Any]
"""Status and body."""
Limit = Callable[[Sequence[str]], Refusal | None]
"""Function that returns the refusal of a call with these texts, if there is one."""


def vector(text: str, dimensions: int = 8) -> list[float]:
    """Return the vector of a text, of length 1."""
    chance = random.Random(text)
    numbers = [chance.gauss(0, 1) for _ in range(dimensions)]
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def embeddings(body: Json) -> Json:
    """Return the answer in the form of OpenAI's API reference. A word is a token."""
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    tokens = sum(len(text.split()) for text in texts)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(body, text)}
            for index, text in enumerate(texts)
        ],
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(body: Json, text: str) -> list[float] | str:
    numbers = vector(text, body.get("dimensions", 8))
    if body.get("encoding_format") == "base64":
        return base64.b64encode(array("f", numbers).tobytes()).decode()
    return numbers


def _error(message: str) -> Json:
    return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}


def text_embeddings_inference(texts: Sequence[str], most: int = 32) -> Refusal | None:
    """Text Embeddings Inference with its default limit."""
    if len(texts) <= most:
        return None
    message = f"batch size {len(texts)} > maximum allowed batch size {most}"
    return 413, {"error": message, "error_type": "Validation"}


def google(texts: Sequence[str]) -> Refusal | None:
    """The Gemini API."""
    if len(texts) <= 100:
        return None
    message = "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch\n"
    return 400, [{"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}]


def openai(texts: Sequence[str], words: int = 20) -> Refusal | None:
    """OpenAI, with texts of at most `words` tokens."""
    asked = max(len(text.split()) for text in texts)
    if asked <= words:
        return None
    return 400, _error(
        f"This model's maximum context length is {words} tokens, however you requested {asked} tokens ({asked} in your "
        "prompt; 0 for the completion). Please reduce your prompt; or completion length."
    )


def openai_tokens(texts: Sequence[str], words: int = 20) -> Refusal | None:
    """OpenAI, with at most `words` tokens in a call."""
    asked = sum(len(text.split()) for text in texts)
    if asked <= words:
        return None
    return 400, _error(f"Invalid 'input': maximum request size is {words} tokens per request.")
