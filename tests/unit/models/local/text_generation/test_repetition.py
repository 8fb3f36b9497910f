"""Detection of completions that repeat themselves."""

import pytest

from carteiro.models.local.text_generation.repetition import repeats_itself

STORY = list(range(100, 200))


@pytest.mark.parametrize("phrase", [[7], [7, 8], [7, 8, 9, 7, 1], list(range(40))])
def test_repeated_phrase_is_a_loop(phrase):
    assert repeats_itself(STORY + phrase * 40)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [7],
        STORY,
        STORY + [7] * 20,
        STORY + list(range(40)) * 3,
        [token for number in range(30) for token in (7, 8, 9, 300 + number)],
        STORY + [7, 8] * 30 + [9],
    ],
)
def test_refrain_list_and_ended_repetition_are_no_loop(tokens):
    assert not repeats_itself(tokens)
