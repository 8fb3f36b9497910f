from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.prompt import Message, Prompt, RawToolCall
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.journal.entry import (
    MAX_ENTRY_BYTES,
    Entry,
    compute_key,
    count_tokens,
    encode_entry,
    entry_key,
    read_entry,
    request_of,
)
from tests.unit.worker.journal.fake_writer import completion, prompt

USAGES = st.builds(Usage, input_tokens=st.integers(0, 10**9), cost_usd=st.none() | st.floats(0, 1e6))
TEXTS = st.text(st.characters(codec="utf-8"))
TOOL_CALLS = st.lists(st.builds(RawToolCall, TEXTS, TEXTS, TEXTS, st.none() | TEXTS), max_size=2).map(tuple)
COMPLETIONS = st.builds(Completion, TEXTS, st.sampled_from(["stop", "length"]), USAGES, st.none() | TEXTS, TOOL_CALLS)


@given(COMPLETIONS, st.integers(0, 2**63 - 1))
def test_entry_reads_back_as_it_was(kept: Completion, offset: int) -> None:
    value = encode_entry(Entry(offset=offset, completion=kept))
    assert value is not None
    entry = read_entry(value)
    assert entry is not None
    assert (entry.offset, entry.completion.text, encode_entry(entry)) == (offset, kept.text, value)


@given(st.binary() | st.sampled_from([b"{}", b'{"version":2,"offset":1,"completion":{}}', b"[" * 5000]))
def test_value_that_is_no_entry_is_not_read(value: bytes) -> None:
    assert read_entry(value) is None


@pytest.mark.parametrize("text", ["x" * MAX_ENTRY_BYTES, "\ud800"], ids=["large", "no UTF-8"])
def test_completion_that_cannot_be_kept_has_no_value(text: str) -> None:
    assert encode_entry(Entry(offset=1, completion=completion(text))) is None


def test_large_value_is_not_read() -> None:
    assert read_entry(b" " * MAX_ENTRY_BYTES + b"{}") is None


OTHERS: list[dict[str, Any]] = [
    {"messages": [Message("user", "b")]},
    {"messages": [Message("system", "a")]},
    {"temperature": 0.5},
    {"seed": 1},
    {"max_output_tokens": 5},
    {"stop": ("x",)},
    {"json_schema": {"type": "object"}},
]


@pytest.mark.parametrize("change", OTHERS, ids=str)
def test_call_with_other_options_has_another_key(change: dict[str, Any]) -> None:
    same = {"messages": [Message("user", "a")]}
    assert entry_key(1, "m", Prompt(**same | change)) != entry_key(1, "m", Prompt(**same))  # type: ignore[arg-type]


def test_key_depends_on_the_request_the_model_and_the_prompt() -> None:
    one, other = (
        Prompt(messages=[Message("user", "a")], json_schema=schema, service_options=frozenset(options))
        for schema, options in (({"b": 1, "a": 2}, "ab"), ({"a": 2, "b": 1}, "ba"))
    )
    keys = {entry_key(17, "m", one), entry_key(17, "m", other), entry_key(18, "m", one), entry_key(17, "n", one)}
    assert len(keys) == 3
    assert [request_of(key) for key in sorted(keys)] == [17, 17, 18]


@pytest.mark.parametrize("key", [b"", b"17", b"17/", b"-1/" + b"0" * 32, b"17/" + b"0" * 33, b"\xff"])
def test_key_of_another_writer_names_no_request(key: bytes) -> None:
    assert request_of(key) is None


def test_tokens_are_estimated_if_the_model_does_not_count_them() -> None:
    assert count_tokens(prompt("x" * 40), completion("y" * 4, tokens=7)) == 7
    assert count_tokens(prompt("x" * 40), completion("y" * 4, tokens=0)) == 11


async def test_thread_computes_the_key_of_a_long_prompt() -> None:
    for text in ("a", "a" * 300_000):
        assert await compute_key(17, "m", prompt(text)) == entry_key(17, "m", prompt(text))
