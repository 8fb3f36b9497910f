"""Which tokens a continuation has of its own."""

from carteiro.models.in_process.likelihood import Step, steps


def test_steps_are_what_a_continuation_has_of_its_own():
    assert steps([1, 2], [[1, 2, 3], [1, 2, 4, 5]]) == [
        [Step((1, 2), 3)],
        [Step((1, 2), 4), Step((1, 2, 4), 5)],
    ]
    # A token that joins the end of the text and the beginning of the continuation is the continuation's.
    assert steps([1, 2], [[1, 9]]) == [[Step((1,), 9)]]
