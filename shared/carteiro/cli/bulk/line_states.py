"""States of the lines of the input: one byte a line, for any content."""

_UNSENT, _SENT, _ANSWERED, _BLANK = range(4)


class LineStates:
    """States of the lines of a job, numbered from 1."""

    def __init__(self) -> None:
        self._states = bytearray()
        self.total = 0
        """Number of lines that are not blank."""
        self.sent = 0
        """Number of lines that Kafka has confirmed."""
        self.answered = 0
        """Number of lines whose reply is written."""
        self.in_flight = 0
        """Number of lines that are sent and not answered."""

    def add(self, *, blank: bool) -> None:
        """Add the next line of the input."""
        self._states.append(_BLANK if blank else _UNSENT)
        self.total += not blank

    def has_line(self, line: int) -> bool:
        """True if the input has this line, and it is not blank."""
        return 1 <= line <= len(self._states) and self._states[line - 1] != _BLANK

    def is_unsent(self, line: int) -> bool:
        """True if the line is not sent yet."""
        return self.has_line(line) and self._states[line - 1] == _UNSENT

    def mark_sent(self, line: int) -> None:
        """Mark the line as sent. It may be answered already: a reply can be faster than Kafka's confirmation."""
        self.sent += 1
        if self._states[line - 1] == _UNSENT:
            self._states[line - 1] = _SENT
            self.in_flight += 1

    def mark_answered(self, line: int) -> None:
        """Mark the line as answered. It must not be answered yet."""
        self.in_flight -= self._states[line - 1] == _SENT
        self._states[line - 1] = _ANSWERED
        self.answered += 1

    def is_answered(self, line: int) -> bool:
        """True if the line has its reply."""
        return self._states[line - 1] == _ANSWERED

    @property
    def all_answered(self) -> bool:
        """True if every line has its reply."""
        return self.answered == self.total
