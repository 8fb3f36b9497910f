"""State of a completion while its tokens are written."""

from collections.abc import Sequence
from typing import Any

import pytest

from carteiro.models.local.text_generation.detokenizer import IncrementalDetokenizer
from carteiro.models.local.text_generation.stop_condition import StopCondition
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.schemas import FinishReason

LETTERS = "_abcdefgh"


def decode(tokens: Sequence[int]) -> str:
    return "".join(LETTERS[token] for token in tokens)


def make_sequence(max_new_tokens: int = 5, stop: Sequence[str] = (), **options: Any) -> TokenSequence:
    return TokenSequence(
        prompt_ids=[1, 2],
        max_new_tokens=max_new_tokens,
        stop_condition=StopCondition(decode, stop),
        end_tokens=[0],
        **options,
    )


class ScriptedSampler:
    """Sampler that returns the tokens of a list."""

    is_greedy = False

    def __init__(self, *tokens: int) -> None:
        self.tokens = list(tokens)
        self.read: list[list[int]] = []

    def sample(self, tokens: Sequence[int], _: Any) -> int:
        self.read.append(list(tokens))
        return self.tokens.pop(0)


@pytest.mark.parametrize(
    ("written", "stop", "reason"),
    [
        ([3, 0], [], "stop"),
        ([3, 4], ["cd"], "stop"),
        ([3, 4, 5, 6, 7], [], "length"),
        ([3, 4, 5, 6, 0], [], "stop"),
    ],
)
def test_sequence_ends_at_a_token_a_text_or_the_limit(
    written: list[int], stop: list[str], reason: FinishReason
) -> None:
    sequence = make_sequence(stop=stop)
    for token in written:
        assert not sequence.is_finished
        sequence.append(token)
    assert (sequence.finish_reason, sequence.output_ids) == (reason, written)
    assert sequence.token_ids == [1, 2, *written]
    assert sequence.max_total_tokens == 7


@pytest.mark.parametrize(("stops", "reason"), [(True, "stop"), (False, None)])
def test_repetition_ends_the_sequence_only_if_it_may(stops: bool, reason: FinishReason | None) -> None:
    sequence = make_sequence(max_new_tokens=100, stop_on_repetition=stops)
    for _ in range(40):
        if not sequence.is_finished:
            sequence.append(3)
    assert sequence.finish_reason == reason


def test_sampler_reads_the_prompt_and_the_output() -> None:
    sampler = ScriptedSampler(3, 4)
    sequence = make_sequence(sampler=sampler)
    sequence.sample(None)
    sequence.sample(None)
    assert sampler.read == [[1, 2], [1, 2, 3]]
    assert not sequence.is_greedy


def test_error_of_the_sampler_finishes_only_this_sequence() -> None:
    sequence = make_sequence(sampler=ScriptedSampler())
    sequence.sample(None)
    assert sequence.is_finished
    assert isinstance(sequence.error, IndexError)


@pytest.mark.parametrize("ended_by_engine", [True, False])
def test_streamed_text_is_complete_at_every_kind_of_end(ended_by_engine: bool) -> None:
    pieces: list[str] = []
    # The detokenizer holds back a text that may be the start of a stop text.
    detokenizer = IncrementalDetokenizer(decode, ["cdx"], pieces.append)
    sequence = make_sequence(max_new_tokens=9 if ended_by_engine else 2, detokenizer=detokenizer)
    sequence.append(3)
    sequence.append(4)
    sequence.end()
    sequence.end()
    assert "".join(pieces) == "cd"
    assert sequence.finish_reason == ("stop" if ended_by_engine else "length")
