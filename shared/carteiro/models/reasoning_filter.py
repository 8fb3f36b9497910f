"""Filter that separates a completion's thinking from its answer while the completion is written."""

from collections.abc import Callable
from enum import Enum, auto

from carteiro.models.reasoning import (
    ANSWER_TAGS,
    ANY_CLOSING,
    ANY_TAG,
    BARE,
    BARE_CLOSING,
    BARE_END,
    BLANKS,
    CHANNEL_END,
    CHANNEL_ENDS,
    CLOSING,
    CLOSINGS,
    FINALS,
    LONGEST_MARK,
    OPENING,
    OPENINGS,
    TAG_MARKS,
    TAGS,
    ReasoningState,
    is_code,
    lower,
    may_start_tag,
    partial_tag_length,
)
from carteiro.models.stop_sequences import StopSequenceFilter

_MAX_LONE_CLOSINGS = 100
"""Maximum number of closing marks in one answer that are checked: after so many quoted ones, the text is about them."""
_MAX_BLANKS = 1000
"""Maximum characters of white space before a block of thinking."""


class _ParserState(Enum):
    START = auto()
    REASONING = auto()
    ANSWER = auto()


def _ignore() -> None:
    """Do nothing."""


class ReasoningFilter:
    """Filter that splits a completion into thinking and answer, piece by piece. The result is the same for any pieces.

    `restart` is called if the text returned so far turns out to be thinking: that text is then void.
    """

    def __init__(
        self, beginning: ReasoningState = ReasoningState.ANSWER, restart: Callable[[], None] = _ignore
    ) -> None:
        self._restart = restart
        self._state = _ParserState.REASONING if beginning is ReasoningState.REASONING else _ParserState.START
        self._buffer = ""
        self._blocks: list[str] = []
        self._block: list[str] = []
        self._closing, self._closings = ANY_CLOSING, CLOSINGS
        self._answer: list[str] = []
        self._emitted = 0
        """Number of parts of the answer that were returned."""
        self._withholding = beginning is ReasoningState.UNKNOWN
        """True while the text may be thinking that the prompt opened: none is returned."""
        self._allows_lone_closing = True
        """True while a closing mark would end thinking that has no opening mark."""
        self._lone_closings_left = _MAX_LONE_CLOSINGS
        self._stop_filter: StopSequenceFilter | None = None
        self.unfinished = False
        """True if the completion ended within its thinking."""
        self.missing_opening_tag = False
        """True if the thinking had no opening mark."""

    @property
    def reasoning(self) -> str | None:
        """Thinking so far; None before the first of it."""
        blocks = [text for each in (*self._blocks, "".join(self._block)) if (text := each.strip())]
        return "\n\n".join(blocks) or None

    def mark_reasoning_separate(self) -> None:
        """Note that the provider separates the thinking from the text: the text is the answer."""
        self._withholding = False

    def add(self, text: str) -> str:
        """Add text, and return the part of the answer that is certain now."""
        self._buffer += text
        while self._step(last=False):
            pass
        return self._emit()

    def end(self, *, cut: bool = False) -> str:
        """Return the rest of the answer at the end of the completion. `cut` is True if a limit of tokens ended it."""
        while self._step(last=True):
            pass
        if self._state is _ParserState.REASONING:
            self._block.append(self._buffer)
            self.unfinished = True
        else:
            self._answer.append(self._buffer.lstrip(BLANKS) if self._blocks else self._buffer)
        thought = "".join(self._answer).strip(BLANKS)
        if self._withholding and cut and thought and not thought.startswith("{"):
            self._blocks, self._answer = [thought], []
            self.unfinished = True
        self._buffer, self._withholding = "", False
        return self._emit() + (self._stop_filter.end() if self._stop_filter else "")

    def _emit(self) -> str:
        if self._withholding:
            return ""
        text = "".join(self._answer[self._emitted :])
        self._emitted = len(self._answer)
        return self._stop_filter.add(text) if self._stop_filter else text

    def _step(self, *, last: bool) -> bool:
        """Parse the next part of the buffer. Return True if there may be more to parse."""
        match self._state:
            case _ParserState.START:
                return self._start(last=last)
            case _ParserState.REASONING:
                return self._read_reasoning()
            case _ParserState.ANSWER:
                return self._read_answer(last=last)

    def _start(self, *, last: bool) -> bool:
        body = self._buffer.lstrip(BLANKS)
        if len(self._buffer) - len(body) > _MAX_BLANKS and not self._blocks:
            self._state = _ParserState.ANSWER
            return True
        if self._open_block(body) or self._open_answer(body):
            return True
        marks = (*OPENINGS, *ANSWER_TAGS) if self._blocks else OPENINGS
        if not last and (may_start_tag(body, marks) or BARE.startswith(body)):
            return False
        if not body:
            return False
        if self._blocks:
            self._buffer = body
        self._state = _ParserState.ANSWER
        return True

    def _open_block(self, body: str) -> bool:
        """Open a block if a mark is at the beginning. Return True if there is one."""
        if body.startswith(BARE) and body[len(BARE) : len(BARE) + 1].isupper():
            self._closing, self._closings, size = BARE_CLOSING, (BARE_END,), len(BARE)
        elif (mark := OPENING.match(body)) is None:
            return False
        else:
            opening, size = mark.group().lower(), mark.end()
            if opening in FINALS:
                self._state, self._buffer, self._stop_filter = (
                    _ParserState.ANSWER,
                    body[size:],
                    StopSequenceFilter(CHANNEL_ENDS),
                )
                self._withholding = self._allows_lone_closing = False
                return True
            self._closing = CLOSING.get(opening, CHANNEL_END)
            self._closings = (TAGS[opening],) if opening in TAGS else CHANNEL_ENDS
        self._state, self._buffer = _ParserState.REASONING, body[size:]
        self._withholding = self._allows_lone_closing = False
        return True

    def _open_answer(self, body: str) -> bool:
        """Skip a mark at the beginning that opens the answer. Return True if there is one."""
        if not self._blocks or self._stop_filter is not None:
            return False
        beginning = lower(body[:LONGEST_MARK])
        opening = next((mark for mark in ANSWER_TAGS if beginning.startswith(mark)), None)
        if opening is None:
            return False
        ends = (ANSWER_TAGS[opening], ANSWER_TAGS[opening].upper())
        self._buffer, self._stop_filter = (
            body[len(opening) :],
            StopSequenceFilter((*ends, *(f"\n{end}" for end in ends))),
        )
        return True

    def _read_reasoning(self) -> bool:
        if (mark := self._closing.search(self._buffer)) is not None:
            self._block.append(self._buffer[: mark.start()])
            self._close_block(self._buffer[mark.end() :])
            return True
        kept = partial_tag_length(self._buffer, self._closings)
        self._block.append(self._buffer[: len(self._buffer) - kept])
        self._buffer = self._buffer[len(self._buffer) - kept :]
        return False

    def _close_block(self, rest: str) -> None:
        self._blocks.append("".join(self._block))
        self._block, self._buffer, self._state = [], rest, _ParserState.START
        self._withholding = self._allows_lone_closing = False

    def _read_answer(self, *, last: bool) -> bool:
        if not self._allows_lone_closing:
            return self._append_answer(len(self._buffer))
        mark = ANY_TAG.search(self._buffer)
        if mark is None:
            return self._append_answer(len(self._buffer) - (0 if last else partial_tag_length(self._buffer, TAG_MARKS)))
        if mark.start():
            self._append_answer(mark.start())
        elif mark.group().lower() in TAGS:
            # Thinking that the prompt opened may mention the mark. In an answer the mark is text.
            self._allows_lone_closing = self._withholding
            self._append_answer(mark.end())
        else:
            return self._close_lone(mark.end(), last=last)
        return True

    def _close_lone(self, size: int, *, last: bool) -> bool:
        """Treat the text so far as thinking: a closing mark of this size comes now, unless it is quoted, or code."""
        text = "".join(self._answer)
        quote = text[-1:] if text.endswith(('"', "'")) else ""
        if quote and size == len(self._buffer) and not last:
            return False  # The next character decides if the mark is quoted.
        if (quote and self._buffer.startswith(quote, size)) or is_code(text):
            self._lone_closings_left -= 1
            self._allows_lone_closing = self._lone_closings_left > 0
            self._append_answer(size)
            return True
        self.missing_opening_tag = True
        given = self._emitted
        self._answer, self._emitted, self._block = [], 0, [text]
        self._close_block(self._buffer[size:])
        if given:
            self._restart()
        return True

    def _append_answer(self, size: int) -> bool:
        if size:
            self._answer.append(self._buffer[:size])
            self._buffer = self._buffer[size:]
        return False
