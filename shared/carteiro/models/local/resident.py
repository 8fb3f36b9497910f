"""What every model of this process has: weights that are read once, and the thread that owns them."""

import asyncio
import copy
import threading
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import structlog
from tokenizers import Tokenizer

from carteiro.models.failures import ModelFailure, ModelUnusable
from carteiro.models.local.checkpoint import Checkpoint
from carteiro.models.local.context import most_tokens
from carteiro.models.local.machine import CPU, Machine
from carteiro.models.local.reasons import out_of_memory, too_little_memory, too_slow
from carteiro.models.local.thread import ModelThread
from carteiro.models.local.weights import load_weights

_SMALL = 1_000_000_000
_STILL_SECONDS = 10.0

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


class ResidentModel:
    """A checkpoint's tokenizer and model, and what has to be done with them on their thread.

    A family says which class of Transformers reads it (`auto_class`) and sets itself up in `_ready`, on the thread.
    `timeout` bounds one call, in seconds, without the wait for the thread.
    """

    auto_class: ClassVar[Any]

    def __init__(self, name: str, checkpoint: Checkpoint, timeout: float, machine: Machine = CPU) -> None:
        self.name = name
        self._checkpoint = checkpoint
        self._machine = machine
        self._timeout = timeout
        self._thread = ModelThread(name)
        self._tokenizer: Any = None
        self._counter: Any = None
        self._model: Any = None
        self._loaded: asyncio.Future[None] | None = None
        self.small = False
        """Whether it has fewer than a billion parameters, once it is loaded."""
        self.context_tokens = 0
        """The most tokens that it reads at once, once it is loaded."""

    async def load(self) -> None:
        """Read the weights. Several tasks may share the model: it is read once. Raises `ModelUnusable`."""
        if self._loaded is None:
            self._loaded = asyncio.ensure_future(self._thread.run(lambda _: self._load()))
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not (await asyncio.wait([self._loaded], timeout=_STILL_SECONDS))[0]:
            log.info("still loading the model", model=self.name, seconds=round(loop.time() - began))
        await asyncio.shield(self._loaded)

    def _load(self) -> None:
        log.info("loading the model", model=self.name, source=self._checkpoint.location, machine=str(self._machine))
        try:
            self._tokenizer, self._model = load_weights(self.name, self._checkpoint, self.auto_class, self._machine)
            self.context_tokens = most_tokens(self._model, self._tokenizer)
            self.small = self._model.num_parameters() < _SMALL
            self._set_up_tokenizer()
            self._ready()
        except ModelUnusable:
            raise
        except Exception as error:
            raise ModelUnusable(f"{self.name} is no model that this service can run: {error!r}") from error
        log.info("the model is loaded", model=self.name, context_tokens=self.context_tokens)

    def _set_up_tokenizer(self) -> None:
        # A saved tokenizer may cut or pad by itself, as its training did.
        backend = getattr(self._tokenizer, "backend_tokenizer", None)
        if backend is not None:
            backend.no_truncation()
            backend.no_padding()
        # It serves one thread at a time, and this one is the model thread's.
        self._counter = copy.deepcopy(backend or self._tokenizer)

    def _ready(self) -> None:
        """Set up what the family needs besides."""

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        if isinstance(self._counter, Tokenizer):
            return len(self._counter.encode(text, add_special_tokens=False))
        return len(self._counter(text, add_special_tokens=False)["input_ids"])

    async def _on_thread(self, work: Callable[[threading.Event], T]) -> T:
        """Have work done on the model's thread. Raises `Unavailable`, and what the work raises of `ModelFailure`."""
        try:
            return await self._thread.run(work, self._timeout)
        except TimeoutError:
            raise too_slow(self.name, self._timeout) from None
        except ModelFailure:
            raise
        except Exception as error:
            if out_of_memory(error):
                raise too_little_memory(self.name) from None
            raise
