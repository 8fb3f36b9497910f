"""Where each line of the input stands: a byte a line, whatever is in it."""

_UNSENT, _SENT, _ANSWERED, _BLANK = range(4)


class States:
    """The lines of a job, numbered from 1."""

    def __init__(self) -> None:
        self._of = bytearray()
        self.total = 0
        """Lines that have something in them."""
        self.sent = 0
        """Those that Kafka has confirmed."""
        self.answered = 0
        """Those whose reply is written."""
        self.open = 0
        """Those that are sent and not answered."""

    def add(self, *, blank: bool) -> None:
        """One more line of the input."""
        self._of.append(_BLANK if blank else _UNSENT)
        self.total += not blank

    def known(self, line: int) -> bool:
        """Whether the input has this line, with something in it."""
        return 1 <= line <= len(self._of) and self._of[line - 1] != _BLANK

    def unsent(self, line: int) -> bool:
        """Whether the line has still to be sent."""
        return self.known(line) and self._of[line - 1] == _UNSENT

    def send(self, line: int) -> None:
        """The line is sent. It may have been answered already: a reply can be faster than Kafka's confirmation."""
        self.sent += 1
        if self._of[line - 1] == _UNSENT:
            self._of[line - 1] = _SENT
            self.open += 1

    def answer(self, line: int) -> None:
        """The line is answered, and was not before."""
        self.open -= self._of[line - 1] == _SENT
        self._of[line - 1] = _ANSWERED
        self.answered += 1

    def is_answered(self, line: int) -> bool:
        """Whether the line has its reply."""
        return self._of[line - 1] == _ANSWERED

    @property
    def answered_all(self) -> bool:
        """Whether nothing is left to do."""
        return self.answered == self.total
