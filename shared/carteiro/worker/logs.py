"""Logs: one line an event, JSON for machines, colours on a terminal, the request's ids on every line of it."""

import logging
import sys

import structlog
from structlog.typing import Processor


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
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=32)]
        if colours
        else [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(sort_keys=False)]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("carteiro").setLevel(level.upper())
    # Both say at each reconnection what one line of ours says better.
    for library in ("aiokafka", "faststream"):
        logging.getLogger(library).setLevel(logging.ERROR)
