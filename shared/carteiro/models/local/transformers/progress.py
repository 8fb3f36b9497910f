"""Progress of loading a model, in the log."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import structlog
import transformers

_STEP_PERCENT = 25

log = structlog.get_logger("carteiro.models")


class _LoggingProgressBar:
    """Replacement for a tqdm progress bar: it logs every quarter of the progress and draws nothing."""

    def __init__(self, name: str, items: Iterable[Any]) -> None:
        self._name, self._items = name, items

    def __iter__(self) -> Iterator[Any]:
        total = len(self._items) if isinstance(self._items, Sized) else 0
        logged = 0
        for done, item in enumerate(self._items, start=1):
            yield item
            percent = 100 * done // total if total else 0
            if percent >= logged + _STEP_PERCENT:
                logged = percent - percent % _STEP_PERCENT
                log.info("loading the model", model=self._name, percent=logged)

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_kwargs: None


@contextmanager
def log_progress(name: str) -> Iterator[None]:
    """Log the percentage of a model's weights that is read, inside the `with` block."""

    def bar(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = args[0] if args else kwargs.get("iterable")
        return factory(*args, **kwargs) if items is None else _LoggingProgressBar(name, items)

    before = transformers.logging.set_tqdm_hook(bar)
    try:
        yield
    finally:
        transformers.logging.set_tqdm_hook(before)
