"""Logs: one line for each event, with the ids of its request; JSON for machines, colours on a terminal."""

import logging
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_NOISY_LIBRARIES = ("aiokafka", "faststream", "psycopg.pool")
_INTERVAL_SECONDS = 60.0
_MAX_MESSAGES = 1000
_MAX_FRAMES = 12


def configure_logs(level: str, log_format: str) -> None:
    """Configure structlog, and render the messages of libraries that use `logging` the same way, to standard error.

    `level` is the lowest level of Carteiro's own messages. `log_format` is `json`, `console`, or `auto` for `console`
    only on a terminal.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    for_people = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    # No message has these (https://docs.python.org/3/howto/logging.html#optimization).
    logging._srcfile = None  # noqa: SLF001
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(for_people=for_people)],
        )
    )
    handler.addFilter(_RateLimitFilter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("carteiro").setLevel(level.upper())
    for library in _NOISY_LIBRARIES:
        logger = logging.getLogger(library)
        # FastStream installs its own handler, with colours.
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.ERROR)
    # Its errors quote what a server of tools wrote. `McpServer` logs them in our words.
    logging.getLogger("mcp").setLevel(logging.CRITICAL)


def _renderers(*, for_people: bool) -> list[Processor]:
    if not for_people:
        return [_render_exceptions, structlog.processors.JSONRenderer(sort_keys=False)]
    console = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
        pad_event_to=32,
        exception_formatter=structlog.dev.plain_traceback,
    )
    return [_escape_controls, console]


def traceback_summary(error: BaseException) -> str:
    """Return the type of an exception and its stack frames, the innermost first.

    The message is left out, since it may quote a prompt or a completion.
    """
    frames = reversed(traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:])
    frame_names = [f"{Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return " < ".join([type(error).__name__, *frame_names])


def _escape_controls(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Escape line breaks and control characters, by which a sender could forge a log line or control a terminal."""
    return {name: escape_unprintable(value) if isinstance(value, str) else value for name, value in event.items()}


def escape_unprintable(text: str) -> str:
    """Return the text with each unprintable character replaced by its Python escape sequence."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


_render_exceptions = structlog.processors.ExceptionRenderer(
    # The variables of a frame are prompts, completions and keys.
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


class _RateLimitFilter(logging.Filter):
    """Passes each message of the noisy libraries once a minute: the Kafka client logs 150 a second during an outage."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_NOISY_LIBRARIES):
            return True
        record.exc_info = record.exc_text = None  # the library's own stack frames do not help an operator
        now, message = time.monotonic(), str(record.msg)
        if now - self._last.get(message, -_INTERVAL_SECONDS) < _INTERVAL_SECONDS:
            return False
        if len(self._last) > _MAX_MESSAGES:
            self._last.clear()
        self._last[message] = now
        return True
