"""Base class of models in this process: a name, a timeout, loading once, and the thread that owns the model."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from carteiro.models.errors import ModelError, ModelUnusable, PromptTooLarge
from carteiro.models.local.inference.error_messages import (
    is_out_of_memory,
    load_error,
    out_of_memory_error,
    timeout_error,
)
from carteiro.models.local.inference.thread import ModelThread

SMALL_MODEL_PARAMETERS = 1_000_000_000
"""A model of fewer parameters is small."""
_PROGRESS_LOG_SECONDS = 10.0

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


class InProcessModel(ABC):
    """A model that runs in this process. A subclass loads it in `_load_weights`, on the model's thread.

    `location` is the name in loading errors. `log_fields` are added to the log event of the loading. `timeout` bounds
    one call, in seconds; waiting in the queue does not count.
    """

    def __init__(self, name: str, location: str, timeout: float, **log_fields: str) -> None:
        self.name = name
        self._location = location
        self._timeout = timeout
        self._log_fields = log_fields
        self._thread = ModelThread(name)
        self._load_task: asyncio.Future[None] | None = None
        self.remote = False
        self.is_small = False
        """True if the loaded model has fewer than a billion parameters."""
        self.context_tokens = 0
        """Context length of the loaded model, in tokens, output included."""

    async def load(self) -> None:
        """Load the model. Several tasks may share it and call this; it is loaded once.

        Raise `ModelUnusable` if it cannot be loaded.
        """
        if self._load_task is None:
            self._load_task = asyncio.ensure_future(self._load())
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not (await asyncio.wait([self._load_task], timeout=_PROGRESS_LOG_SECONDS))[0]:
            log.info("still loading the model", model=self.name, seconds=round(loop.time() - began))
        await asyncio.shield(self._load_task)

    @property
    def _is_loaded(self) -> bool:
        return self._load_task is not None and self._load_task.done() and not self._load_task.exception()

    async def close(self) -> None:
        """Stop the thread."""
        self._thread.close()

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text by the model's tokenizer, without special tokens."""

    async def _load(self) -> None:
        log.info("loading the model", model=self.name, source=self._location, **self._log_fields)
        try:
            await self._thread.run(lambda _: self._load_weights())
        except ModelUnusable:
            raise
        except Exception as error:
            # Engines raise any error of the libraries below them, with messages of several lines.
            raise load_error(self._location, error) from error
        log.info("the model is loaded", model=self.name, context_tokens=self.context_tokens)

    @abstractmethod
    def _load_weights(self) -> None:
        """Load the model, on the thread, and set `is_small` and `context_tokens`."""

    async def _on_thread(self, work: Callable[[threading.Event], T]) -> T:
        """Run `work` on the thread and return its result.

        Raise `Unavailable` if it takes longer than the timeout or runs out of memory, and what `work` raises.
        """
        with self._translate_errors():
            return await self._thread.run(work, self._timeout)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise `Unavailable` if the `with` block takes too long or too much memory."""
        try:
            yield
        except TimeoutError:
            raise timeout_error(self.name, self._timeout) from None
        except ModelError:
            raise
        except Exception as error:
            if is_out_of_memory(error):
                raise out_of_memory_error(self.name) from None
            raise

    def _check_input_length(self, tokens: int, max_tokens: int) -> None:
        """Raise `PromptTooLarge` if a text that is only read has more tokens than the model reads."""
        if tokens > max_tokens:
            raise PromptTooLarge(f"the text has {tokens} tokens; {self.name} reads {max_tokens}")
