"""Token predictions of continuations."""

from carteiro.models.local.text_generation.likelihood import TokenPrediction, token_predictions


def test_predictions_cover_the_tokens_of_the_continuation():
    assert token_predictions([1, 2], [[1, 2, 3], [1, 2, 4, 5]]) == [
        [TokenPrediction((1, 2), 3)],
        [TokenPrediction((1, 2), 4), TokenPrediction((1, 2, 4), 5)],
    ]
    # A token that spans the end of the text and the start of the continuation belongs to the continuation.
    assert token_predictions([1, 2], [[1, 9]]) == [[TokenPrediction((1,), 9)]]
