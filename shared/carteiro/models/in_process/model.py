"""What every model of this process has: a name, a limit of time, one loading, and the thread that owns it."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from carteiro.models.failures import ModelFailure, ModelUnusable, PromptTooLarge
from carteiro.models.in_process.defaults import DEFAULT_OUTPUT_TOKENS
from carteiro.models.in_process.reasons import out_of_memory, too_little_memory, too_slow, unusable
from carteiro.models.in_process.thread import ModelThread
from carteiro.models.interface import Prompt

SMALL = 1_000_000_000
"""A model of fewer parameters is small."""
_STILL_SECONDS = 10.0

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


class InProcessModel(ABC):
    """A model that this process runs. Each kind says in `_open`, on the thread, how it is loaded.

    `location` is what failures to load name, `facts` what the log says besides. `timeout` bounds one call, in seconds,
    without the wait for its turn.
    """

    def __init__(self, name: str, location: str, timeout: float, **facts: str) -> None:
        self.name = name
        self._location = location
        self._timeout = timeout
        self._facts = facts
        self._thread = ModelThread(name)
        self._loaded: asyncio.Future[None] | None = None
        self.small = False
        """Whether it has fewer than a billion parameters, once it is loaded."""
        self.context_tokens = 0
        """The most tokens that it reads at once, those that it writes included, once it is loaded."""

    async def load(self) -> None:
        """Read the model. Several tasks may share it: it is read once. Raises `ModelUnusable`."""
        if self._loaded is None:
            self._loaded = asyncio.ensure_future(self._load())
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not (await asyncio.wait([self._loaded], timeout=_STILL_SECONDS))[0]:
            log.info("still loading the model", model=self.name, seconds=round(loop.time() - began))
        await asyncio.shield(self._loaded)

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    @abstractmethod
    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""

    async def _load(self) -> None:
        log.info("loading the model", model=self.name, source=self._location, **self._facts)
        try:
            await self._thread.run(lambda _: self._open())
        except ModelUnusable:
            raise
        except Exception as error:
            # Engines raise whatever the libraries below them raise, on as many lines as they like.
            raise unusable(self._location, error) from error
        log.info("the model is loaded", model=self.name, context_tokens=self.context_tokens)

    @abstractmethod
    def _open(self) -> None:
        """Read the model; from then on, `small` and `context_tokens` are what they say."""

    async def _on_thread(self, work: Callable[[threading.Event], T]) -> T:
        """Have work done on the thread. Raises `Unavailable`, and what the work raises of `ModelFailure`."""
        with self._told():
            return await self._thread.run(work, self._timeout)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise a `ModelFailure` for what takes too long or too much memory inside the `with` block."""
        try:
            yield
        except TimeoutError:
            raise too_slow(self.name, self._timeout) from None
        except ModelFailure:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise too_little_memory(self.name) from None
            raise

    def _room(self, prompt: Prompt, tokens: int) -> int:
        """The most tokens to write after a prompt of so many. Raises `PromptTooLarge` where not one fits."""
        if tokens >= self.context_tokens:
            raise self._too_large(tokens)
        return min(prompt.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self.context_tokens - tokens)

    def _too_large(self, tokens: int) -> PromptTooLarge:
        return PromptTooLarge(
            f"the prompt has {tokens} tokens; {self.name} reads {self.context_tokens}, its completion included"
        )

    def _check_text(self, tokens: int, most: int) -> None:
        """Raise `PromptTooLarge` where a text that is not written on has more tokens than are read at once."""
        if tokens > most:
            raise PromptTooLarge(f"the text has {tokens} tokens; {self.name} reads {most}")
