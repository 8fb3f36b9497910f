from carteiro.cli.bulk.line_states import LineStates


def states(*blank: bool) -> LineStates:
    made = LineStates()
    for each in blank:
        made.add(blank=each)
    return made


def test_blank_and_unknown_lines_are_no_lines() -> None:
    lines = states(False, True)
    assert lines.total == 1
    assert [lines.has_line(number) for number in (0, 1, 2, 3)] == [False, True, False, False]
    assert not lines.is_unsent(2)


def test_line_is_sent_and_then_answered() -> None:
    lines = states(False, False)
    lines.mark_sent(1)
    assert (lines.sent, lines.in_flight, lines.is_unsent(1), lines.is_unsent(2)) == (1, 1, False, True)
    lines.mark_answered(1)
    assert (lines.answered, lines.in_flight, lines.is_answered(1), lines.all_answered) == (1, 0, True, False)


def test_reply_may_come_before_the_confirmation() -> None:
    lines = states(False)
    lines.mark_answered(1)
    lines.mark_sent(1)
    assert (lines.sent, lines.answered, lines.in_flight) == (1, 1, 0)
    assert lines.all_answered
