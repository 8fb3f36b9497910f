"""HTTP calls that several callers of an embedding model share: many short documents cost few calls."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise

from carteiro.concurrency.background_tasks import BackgroundTasks
from carteiro.models.embedding_batches import is_about_option
from carteiro.models.errors import ContentFiltered, Misconfigured, ModelError, RateLimited, Unavailable, attach_usage
from carteiro.models.interface import BatchLimit
from carteiro.models.prompt import EmbeddingPrompt, InputType
from carteiro.models.results import Embeddings
from carteiro.schemas import Usage

Send = Callable[[EmbeddingPrompt, int], Awaitable[Embeddings]]
"""Makes one HTTP call. The number is that of the prompt's tokens. Raises the errors of models."""

_LINGER_SECONDS = 0.01
"""Longest time for which a caller waits for others."""
_MAX_TOKENS = 16_000
"""Maximum tokens of a shared call. All providers take that many, and a longer call gains nothing."""
_MIN_TEXTS = 8
"""Texts of a shared call, however often the server refuses texts of several callers."""
_OF_ALL = (Unavailable, RateLimited, Misconfigured)
"""Errors that no text is the cause of."""


@dataclass(slots=True, eq=False)
class _Caller:
    texts: Sequence[str]
    tokens: int
    result: "asyncio.Future[Embeddings]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    wasted: Usage = field(default_factory=Usage)
    """Usage of shared calls without a result, which one of their callers pays."""


class SharedCalls:
    """Calls that callers share if they come within some milliseconds while another call runs.

    The first to come are the first to be sent. `send` makes a call, with at most `limit.texts` texts. If texts of
    several callers are refused together, they are sent again in halves, so that a caller gets only its own error.
    """

    def __init__(
        self, send: Send, limit: BatchLimit, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._send, self._limit, self._sleep = send, limit, sleep
        self._max_texts = limit.texts
        self._gathered: dict[tuple[InputType | None, int | None], list[_Caller]] = {}
        self._tasks = BackgroundTasks()
        self._waiting: set[_Caller] = set()
        self._running = 0

    async def embed(self, prompt: EmbeddingPrompt, tokens: int) -> Embeddings:
        """Return the vectors of a prompt's texts, which have this number of tokens together.

        A search does not wait for others. Raise the errors of `send`, and only those of this caller's own texts.
        """
        is_long = 2 * len(prompt.texts) > self._limit.texts or 2 * tokens > _MAX_TOKENS
        if is_long or not self._running or prompt.input_type == "query":
            return await self._call(prompt, tokens)
        caller, options = _Caller(prompt.texts, tokens), (prompt.input_type, prompt.dimensions)
        if options not in self._gathered:
            self._gathered[options] = []
            self._tasks.start(self._send_later(options))
        self._gathered[options].append(caller)
        self._waiting.add(caller)
        try:
            return await caller.result
        finally:
            self._waiting.discard(caller)

    async def close(self) -> None:
        """End the shared calls."""
        await self._tasks.cancel()
        _fail(list(self._waiting), Unavailable("the model is closed"))

    async def _call(self, prompt: EmbeddingPrompt, tokens: int) -> Embeddings:
        self._running += 1
        try:
            return await self._send(prompt, tokens)
        finally:
            self._running -= 1

    async def _send_later(self, options: tuple[InputType | None, int | None]) -> None:
        await self._sleep(_LINGER_SECONDS)
        callers = self._gathered.pop(options)
        while callers:
            size = self._count_fitting(callers)
            self._tasks.start(self._share(options, callers[:size]))
            callers = callers[size:]

    def _count_fitting(self, callers: Sequence[_Caller]) -> int:
        """Return the number of callers, from the first on, that fit into one call; at least 1."""
        texts = accumulate(len(each.texts) for each in callers)
        tokens = accumulate(each.tokens for each in callers)
        max_texts = min(self._max_texts, self._limit.texts)
        fitting = sum(count <= max_texts and sum_ <= _MAX_TOKENS for count, sum_ in zip(texts, tokens, strict=True))
        return max(fitting, 1)

    async def _share(self, options: tuple[InputType | None, int | None], callers: Sequence[_Caller]) -> bool:
        """Give callers their vectors, or their errors. Return False if there is an error."""
        callers = [each for each in callers if not each.result.done()]  # Others are cancelled.
        if not callers:
            return True
        texts = [text for each in callers for text in each.texts]
        try:
            prompt = EmbeddingPrompt(texts=texts, input_type=options[0], dimensions=options[1])
            embedded = await self._call(prompt, sum(each.tokens for each in callers))
        except ModelError as error:
            if len(callers) == 1 or isinstance(error, _OF_ALL) or is_about_option(error):
                _fail(callers, error)
                return False
            callers[0].wasted += error.usage or Usage()
            half = len(callers) // 2
            are_taken = await self._share(options, callers[:half]) & await self._share(options, callers[half:])
            if are_taken and not isinstance(error, ContentFiltered):
                self._max_texts = min(self._max_texts, max(len(texts) // 2, _MIN_TEXTS))
            return are_taken
        except Exception as error:  # noqa: BLE001  # a caller reports it
            for caller in callers:
                caller.result.set_exception(error)
            return False
        _distribute(callers, embedded)
        return True


def _distribute(callers: Sequence[_Caller], embedded: Embeddings) -> None:
    """Give each caller its vectors, and its share of the usage, by its tokens."""
    ends = [0, *accumulate(len(each.texts) for each in callers)]
    paid = [0, *accumulate(max(each.tokens, 1) for each in callers)]
    total = embedded.usage.input_tokens
    shares = [total * after // paid[-1] - total * before // paid[-1] for before, after in pairwise(paid)]
    for caller, (start, end), share in zip(callers, pairwise(ends), shares, strict=True):
        if not caller.result.done():
            usage = embedded.usage.model_copy(update={"input_tokens": share}) + caller.wasted
            caller.result.set_result(replace(embedded, vectors=embedded.vectors[start:end], usage=usage))


def _fail(callers: Sequence[_Caller], error: ModelError) -> None:
    """Raise an error in each caller. The first one pays for the call."""
    for index, caller in enumerate(callers):
        if not caller.result.done():
            own = copy.copy(error)
            own.__cause__ = error
            own.usage = error.usage if index == 0 else None
            attach_usage(own, caller.wasted + (own.usage or Usage()))
            caller.result.set_exception(own)
