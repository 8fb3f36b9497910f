"""The header of a GGUF file."""

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.local.checkpoints.gguf_header import GgufHeader, read_header

_U32, _STRING, _ARRAY, _I32 = 4, 8, 9, 5


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def field(name: str, kind: int, value: Any) -> bytes:
    return text(name) + struct.pack("<I", kind) + (text(value) if kind == _STRING else struct.pack("<I", value))


def array(name: str, kind: int, values: list[Any]) -> bytes:
    items = b"".join(text(each) if kind == _STRING else struct.pack("<i", each) for each in values)
    return text(name) + struct.pack("<IIQ", _ARRAY, kind, len(values)) + items


def gguf(*fields: bytes, tensors: tuple[tuple[int, ...], ...] = (), magic: bytes = b"GGUF", version: int = 3) -> bytes:
    described = b"".join(
        text("weight") + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, 0, 0) for sizes in tensors
    )
    return magic + struct.pack("<IQQ", version, len(tensors), len(fields)) + b"".join(fields) + described


def read(folder: Path, content: bytes) -> GgufHeader:
    (folder / "model.gguf").write_bytes(content)
    return read_header(folder / "model.gguf")


def test_header_holds_the_facts_for_prompts(tmp_path: Path) -> None:
    content = gguf(
        field("general.architecture", _STRING, "llama"),
        field("llama.context_length", _U32, 2048),
        field("tokenizer.ggml.eos_token_id", _U32, 2),
        field("tokenizer.chat_template", _STRING, "{{ messages }}"),
        array("tokenizer.ggml.tokens", _STRING, ["<s>", "a", "<end>"]),
        array("tokenizer.ggml.token_type", _I32, [3, 1, 3]),
        tensors=((4, 8), (8,)),
    )
    assert read(tmp_path, content) == GgufHeader(
        context_tokens=2048,
        parameter_count=40,
        vocabulary_size=3,
        template="{{ messages }}",
        special_tokens=frozenset({"<s>", "<end>"}),
        end_tokens=frozenset({2}),
    )


def test_file_without_a_vocabulary_has_no_special_tokens(tmp_path: Path) -> None:
    header = read(
        tmp_path, gguf(field("general.architecture", _STRING, "llama"), field("llama.context_length", _U32, 8))
    )
    assert (header.vocabulary_size, header.has_template) == (0, False)
    assert header.special_tokens == header.end_tokens == frozenset()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gguf(magic=b"GGML"), "no GGUF file of version 2 or 3"),
        (gguf(version=1), "no GGUF file of version 2 or 3"),
        (gguf(), "does not say how many tokens"),
        (gguf(text("x") + struct.pack("<I", 99)), "unknown kind 99"),
    ],
)
def test_invalid_file_is_rejected_with_the_reason(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, content)


@given(size=st.integers(0, 60))
def test_truncated_file_raises_a_known_error(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    whole = gguf(field("general.architecture", _STRING, "llama"), field("llama.context_length", _U32, 8))
    with pytest.raises((ValueError, struct.error)):
        read(tmp_path_factory.mktemp("gguf"), whole[: min(size, len(whole) - 1)])
