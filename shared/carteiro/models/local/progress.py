"""How far the loading of a model is, in the log."""

from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any

import structlog
import transformers

_STEP_PERCENT = 25

log = structlog.get_logger("carteiro.models")


class _Logged:
    """Stands in for a progress bar of tqdm: says each quarter of what it goes through, and draws nothing."""

    def __init__(self, name: str, items: Iterable[Any]) -> None:
        self._name, self._items = name, items

    def __iter__(self) -> Iterator[Any]:
        total = len(self._items) if isinstance(self._items, Sized) else 0
        said = 0
        for done, item in enumerate(self._items, start=1):
            yield item
            percent = 100 * done // total if total else 0
            if percent >= said + _STEP_PERCENT:
                said = percent - percent % _STEP_PERCENT
                log.info("loading the model", model=self._name, percent=said)

    def __getattr__(self, _: str) -> Any:
        return lambda *_args, **_kwargs: None


@contextmanager
def logged_progress(name: str) -> Iterator[None]:
    """Say in the log how much of a model's weights has been read."""

    def bar(factory: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        items = args[0] if args else kwargs.get("iterable")
        return factory(*args, **kwargs) if items is None else _Logged(name, items)

    before = transformers.logging.set_tqdm_hook(bar)
    try:
        yield
    finally:
        transformers.logging.set_tqdm_hook(before)
