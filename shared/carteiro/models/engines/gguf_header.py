"""What a GGUF file says of its model, without its weights.

(The package `gguf` reads it too, in seconds instead of a fraction of one.)
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GGUF"
_SCALARS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _ARRAY = 8, 9
_CONTROL = 3
"""What `token_type` says of a token that only a template may write."""


@dataclass(frozen=True, slots=True)
class Header:
    """The facts that prompts are made by.

    `special` are the texts of the tokens that only a template may write; `end_tokens` end a text.
    """

    context_tokens: int
    parameters: int
    vocabulary: int
    has_template: bool
    special: frozenset[str]
    end_tokens: frozenset[int]


def read_header(file: Path) -> Header:
    """The facts in the file. Raises `ValueError`, and `struct.error` for a file that ends too early."""
    with file.open("rb") as opened:
        magic, version, tensors, facts = opened.read(4), *_numbers(opened, "IQQ")
        if magic != _MAGIC or version not in (2, 3):
            raise ValueError("it is no GGUF file of version 2 or 3")
        known = dict(_fact(opened) for _ in range(facts))
        parameters = sum(_size(opened) for _ in range(tensors))
    context = known.get(f"{known.get('general.architecture')}.context_length")
    if not isinstance(context, int):
        raise ValueError("it does not say how many tokens it reads (context_length)")
    texts, kinds = known.get("tokenizer.ggml.tokens", ()), known.get("tokenizer.ggml.token_type", ())
    end = known.get("tokenizer.ggml.eos_token_id")
    return Header(
        context_tokens=context,
        parameters=parameters,
        vocabulary=len(texts),
        has_template=bool(known.get("tokenizer.chat_template")),
        special=frozenset(text for text, kind in zip(texts, kinds, strict=False) if kind == _CONTROL),
        end_tokens=frozenset() if end is None else frozenset({int(end)}),
    )


def _numbers(opened: BinaryIO, kinds: str) -> tuple[Any, ...]:
    layout = f"<{kinds}"
    return struct.unpack(layout, opened.read(struct.calcsize(layout)))


def _text(opened: BinaryIO) -> str:
    (length,) = _numbers(opened, "Q")
    return opened.read(length).decode(errors="replace")


def _fact(opened: BinaryIO) -> tuple[str, Any]:
    name, (kind,) = _text(opened), _numbers(opened, "I")
    return name, _value(opened, kind)


def _value(opened: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _text(opened)
    if kind == _ARRAY:
        of, length = _numbers(opened, "IQ")
        if of in _SCALARS:
            return _numbers(opened, f"{length}{_SCALARS[of]}")
        return [_value(opened, of) for _ in range(length)]
    if kind not in _SCALARS:
        raise ValueError(f"it has a fact of unknown kind {kind}")
    return _numbers(opened, _SCALARS[kind])[0]


def _size(opened: BinaryIO) -> int:
    """How many weights the next tensor has."""
    _text(opened)
    (dimensions,) = _numbers(opened, "I")
    *sizes, _, _ = _numbers(opened, f"{dimensions}QIQ")
    return math.prod(sizes)
