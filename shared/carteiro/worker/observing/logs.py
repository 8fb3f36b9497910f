"""Logs: one line an event, JSON for machines, colours on a terminal, the request's ids on every line of it."""

import logging
import os
import sys
import time

import structlog
from structlog.typing import Processor

_CHATTY = ("aiokafka", "faststream")
_SECONDS = 60.0
_MOST = 1000


def configure_logs(level: str, log_format: str) -> None:
    """Set up structlog, and send what libraries log with `logging` the same way. Lines go to standard error."""
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
    colours = log_format == "console" or (log_format == "auto" and sys.stderr.isatty())
    ending: list[Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty() and not os.environ.get("NO_COLOR"),
                pad_event_to=32,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        if colours
        else [_without_locals, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    handler.addFilter(_Seldom())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("carteiro").setLevel(level.upper())
    for library in _CHATTY:
        logger = logging.getLogger(library)
        # FastStream brings a handler of its own, with colours.
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.ERROR)


_without_locals = structlog.processors.ExceptionRenderer(
    # The variables of a frame are prompts, completions and keys.
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


class _Seldom(logging.Filter):
    """Lets a message of Kafka's client through once a minute: while a broker is away it has 150 a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.name.startswith(_CHATTY):
            return True
        now, message = time.monotonic(), str(record.msg)
        if now - self._last.get(message, -_SECONDS) < _SECONDS:
            return False
        if len(self._last) > _MOST:
            self._last.clear()
        self._last[message] = now
        return True
