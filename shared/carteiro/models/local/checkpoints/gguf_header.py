"""The header of a GGUF file, read without the weights.

The package `gguf` also reads the header, but takes seconds instead of a fraction of a second.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_MAGIC = b"GGUF"
_SCALAR_FORMATS = dict(zip((0, 1, 2, 3, 4, 5, 6, 7, 10, 11, 12), "BbHhIif?Qqd", strict=True))
_STRING, _ARRAY = 8, 9
_CONTROL_TOKEN = 3
"""Value of `token_type` for control tokens, which only a template may write."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """Metadata of a model that prompts depend on.

    `template` is the chat template; an empty text means no template. `special_tokens` are the texts of the control
    tokens, which only a template may write. `end_tokens` end a text.
    """

    context_tokens: int
    parameter_count: int
    vocabulary_size: int
    template: str
    special_tokens: frozenset[str]
    end_tokens: frozenset[int]

    @property
    def has_template(self) -> bool:
        """True if the model has a chat template."""
        return bool(self.template)


def read_header(file: Path) -> GgufHeader:
    """Return the header of the file. Raise `ValueError` if it is invalid, and `struct.error` if it ends too early."""
    with file.open("rb") as opened:
        magic, version, tensors, fields = opened.read(4), *_read_struct(opened, "IQQ")
        if magic != _MAGIC or version not in (2, 3):
            raise ValueError("it is no GGUF file of version 2 or 3")
        metadata = dict(_read_metadata(opened) for _ in range(fields))
        parameters = sum(_read_tensor_size(opened) for _ in range(tensors))
    context = metadata.get(f"{metadata.get('general.architecture')}.context_length")
    if not isinstance(context, int):
        raise ValueError("it does not say how many tokens it reads (context_length)")
    texts, kinds = metadata.get("tokenizer.ggml.tokens", ()), metadata.get("tokenizer.ggml.token_type", ())
    end = metadata.get("tokenizer.ggml.eos_token_id")
    return GgufHeader(
        context_tokens=context,
        parameter_count=parameters,
        vocabulary_size=len(texts),
        template=str(metadata.get("tokenizer.chat_template") or ""),
        special_tokens=frozenset(text for text, kind in zip(texts, kinds, strict=False) if kind == _CONTROL_TOKEN),
        end_tokens=frozenset() if end is None else frozenset({int(end)}),
    )


def _read_struct(opened: BinaryIO, formats: str) -> tuple[Any, ...]:
    layout = f"<{formats}"
    return struct.unpack(layout, opened.read(struct.calcsize(layout)))


def _read_string(opened: BinaryIO) -> str:
    (length,) = _read_struct(opened, "Q")
    return opened.read(length).decode(errors="replace")


def _read_metadata(opened: BinaryIO) -> tuple[str, Any]:
    name, (kind,) = _read_string(opened), _read_struct(opened, "I")
    return name, _read_value(opened, kind)


def _read_value(opened: BinaryIO, kind: int) -> Any:
    if kind == _STRING:
        return _read_string(opened)
    if kind == _ARRAY:
        item_kind, length = _read_struct(opened, "IQ")
        if item_kind in _SCALAR_FORMATS:
            return _read_struct(opened, f"{length}{_SCALAR_FORMATS[item_kind]}")
        return [_read_value(opened, item_kind) for _ in range(length)]
    if kind not in _SCALAR_FORMATS:
        raise ValueError(f"it has a fact of unknown kind {kind}")
    return _read_struct(opened, _SCALAR_FORMATS[kind])[0]


def _read_tensor_size(opened: BinaryIO) -> int:
    """Read the description of the next tensor and return its number of weights."""
    _read_string(opened)
    (dimensions,) = _read_struct(opened, "I")
    *sizes, _, _ = _read_struct(opened, f"{dimensions}QIQ")
    return math.prod(sizes)
