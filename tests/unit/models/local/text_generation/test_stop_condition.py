"""Stop texts at the end of a completion."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.local.text_generation.stop_condition import StopCondition
from carteiro.models.reasoning import ReasoningState


def decode(tokens: Sequence[int]) -> str:
    return bytes(tokens).decode()


def test_stop_condition_checks_only_the_answer() -> None:
    stop_condition = StopCondition(decode, ["END"], ReasoningState.REASONING)
    reached = [size for size in range(40) if stop_condition.is_met(b"an END</think>the END"[:size])]
    assert reached[0] == len(b"an END</think>the END")


@given(text=st.text("abc", max_size=30), stop=st.lists(st.text("abc", min_size=1, max_size=4), max_size=3))
def test_condition_is_first_met_where_a_stop_text_ends(text: str, stop: list[str]) -> None:
    condition = StopCondition(decode, stop)
    reached = next((size for size in range(len(text) + 1) if condition.is_met(text[:size].encode())), None)
    ends = [text.find(each) + len(each) for each in stop if each in text]
    assert reached == min(ends, default=None)


def test_only_the_tail_is_decoded_until_a_stop_text_is_near() -> None:
    decoded: list[int] = []

    def count(tokens: Sequence[int]) -> str:
        decoded.append(len(tokens))
        return decode(tokens)

    StopCondition(count, ["END"]).is_met(b"a" * 1000)
    assert decoded == [4]
