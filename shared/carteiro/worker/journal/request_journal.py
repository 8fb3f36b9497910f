"""The journal of one request: its calls of models that are finished and paid.

A finished call is kept once the request has another call in flight: until then there is nothing to repeat but itself.
So a request with one call writes nothing, and the last call of a request is not written either.

The id of an answer in the background is kept once the provider has begun it. Only the acknowledged reply cancels an
answer that has not arrived: a worker that has lost the partition leaves it to the next owner.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from carteiro.models.interface import BackgroundCall
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import ServiceTier, Usage
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import Cleanup
from carteiro.worker.journal.entry import (
    BegunCall,
    Entry,
    compute_key,
    count_tokens,
    encode_entry,
    read_begun,
    read_entry,
)
from carteiro.worker.journal.partition_journal import PartitionJournal

MAX_REQUEST_BYTES = 4 * 2**20
"""Maximum bytes of the entries that one run of a request writes. Later calls are not kept."""
_SETTLE_SECONDS = 2.0


class JournaledCall(BackgroundCall):
    """One call in the background. The journal has its id until the reply is committed."""

    def __init__(
        self, journal: "RequestJournal", key: bytes, model: str, tier: ServiceTier | None, begun: BegunCall | None
    ) -> None:
        """`begun` is the call whose answer the provider already writes; None for a new call."""
        self._journal, self._key, self._model, self._tier, self._begun = journal, key, model, tier, begun

    @property
    def id(self) -> str | None:
        return self._begun.response_id if self._begun is not None else None

    @property
    def is_superseded(self) -> bool:
        # A call moves up from `flex` if its time gets short. Then `keep_begun` cancels the earlier answer.
        return self._begun is not None and self._begun.tier == "flex" != self._tier

    @property
    def is_reused(self) -> bool:
        """True if an earlier run of the request began the call."""
        return self._journal.is_reused(self._key)

    def on_asked(self) -> None:
        self._journal.on_asked(self._key)

    async def begin(self, identity: str) -> None:
        self._begun = BegunCall(model=self._model, tier=self._tier, response_id=identity)
        await self._journal.keep_begun(self._key, self._begun)

    def end(self) -> None:
        self._begun = None
        self._journal.remove_begun(self._key)


class RequestJournal(Cleanup):
    """Journal of one run of a request, whose calls may run at the same time."""

    def __init__(self, partition: PartitionJournal, request: int, offset: int, min_tokens: int) -> None:
        """`request` is the offset of the request's first record. `offset` is that of the record that is served: another
        one if the request was redriven. A call with fewer than `min_tokens` tokens is not kept.
        """
        self._partition, self._request, self._offset, self._min_tokens = partition, request, offset, min_tokens
        self._held: list[tuple[str, Prompt, Completion]] = []
        """Finished calls that are not kept yet."""
        self._cheap: list[tuple[str, Prompt, Completion]] = []
        """Finished calls with too few tokens to be kept, unless a tool is called."""
        self._metered: set[bytes] = set()
        """Keys of the entries whose usage is counted in this run."""
        self._begun: dict[bytes, bool] = {}
        """Calls in the background that this run waits for or has waited for, by their keys: True for one that an
        earlier run began."""
        self._in_use: set[bytes] = set()
        """Keys of the calls in the background that this run waits for."""
        self._running = self._bytes = 0
        self._writes: list[asyncio.Future[None]] = []

    @property
    def request_id(self) -> str:
        """Id of the request, which all its runs share."""
        return f"{self._partition.name}/{self._request}"

    async def complete(
        self,
        model: str,
        prompt: Prompt,
        call: Callable[[], Awaitable[Completion]],
        record_reuse: Callable[[Usage], object],
    ) -> Completion:
        """Return the completion of a prompt: that of an earlier call, or that of `call`.

        `record_reuse` gets the usage of an earlier call of the same record, which no reply has reported, and
        `reused_calls`. Raise the errors of `call`.
        """
        if self._held:
            await self._keep_held()
        if self._partition.entries(self._request):
            key = await compute_key(self._request, model, prompt)
            if (kept := self._find(key, record_reuse)) is not None:
                return kept
        self._running += 1
        try:
            completion = await call()
        finally:
            self._running -= 1
        self._held.append((model, prompt, completion))
        if self._running:
            await self._keep_held()
        return completion

    @asynccontextmanager
    async def background_call(self, model: str, prompt: Prompt) -> AsyncIterator[JournaledCall]:
        """Yield the call in the background for a prompt: one whose answer the provider already writes, or a new one."""
        options = prompt.service_options - {"service_tier"}
        plain = replace(prompt, service_tier=None, service_options=options)
        number, name = 0, model
        while (key := await compute_key(self._request, name, plain)) in self._in_use:
            # The same prompt at the same time is another call.
            number += 1
            name = f"{model}#{number}"
        self._in_use.add(key)
        try:
            begun = self._find_begun(key)
            if begun is not None and key not in self._begun:
                self._begun[key] = True
                self._partition.writer.on_reused()
            yield JournaledCall(self, key, model, prompt.service_tier, begun)
        finally:
            self._in_use.remove(key)

    async def keep_begun(self, key: bytes, call: BegunCall) -> None:
        """Keep a call in the background. Return once the topic has it, after 2 s at the latest."""
        earlier = self._find_begun(key)
        self._begun[key] = False
        if (write := self._partition.write(key, call.model_dump_json().encode())) is not None:
            self._writes.append(write)
        if earlier is not None:
            self._partition.writer.cancel_answer(earlier.model, earlier.response_id)
        await self.settle()

    def is_reused(self, key: bytes) -> bool:
        """Return True if a call in the background was begun by an earlier run."""
        return self._begun.get(key, False)

    def on_asked(self, key: bytes) -> None:
        """Record that this run makes a call in the background itself."""
        if key in self._begun:
            self._begun[key] = False

    def remove_begun(self, key: bytes) -> None:
        """Remove a call in the background from memory: nobody waits for its answer any more."""
        self._partition.remove(key)

    async def keep_finished(self) -> None:
        """Keep the calls that are finished, also cheap ones: the request is about to do what a repetition of any of
        them would do differently. Return once the topic has them, after 2 s at the latest.
        """
        finished, self._cheap, self._held = self._cheap + self._held, [], []
        await self._keep(finished)
        await self.settle()

    async def settle(self) -> None:
        """Wait until the topic has what this run has written, so that its deletion comes after it; for 2 s at most."""
        if pending := [write for write in self._writes if not write.done()]:
            await asyncio.wait(pending, timeout=_SETTLE_SECONDS)

    def forget(self) -> None:
        """Remove the request's entries from memory, and cancel its answers in the background: its reply is
        acknowledged.
        """
        for value in self._partition.entries(self._request).values():
            if (begun := read_begun(value)) is not None:
                self._partition.writer.cancel_answer(begun.model, begun.response_id)
        self._partition.forget(self._request)

    @property
    def tombstones(self) -> Sequence[OutgoingRecord]:
        if not self._partition.writer.is_available:
            return ()
        keys = self._metered.union(self._begun, self._partition.entries(self._request))
        return [self._partition.tombstone(key) for key in sorted(keys)]

    def on_failed(self, error: Exception) -> None:
        self._partition.writer.on_failed(error)

    def _find_begun(self, key: bytes) -> BegunCall | None:
        value = self._partition.entries(self._request).get(key)
        return read_begun(value) if value is not None else None

    def _find(self, key: bytes, record_reuse: Callable[[Usage], object]) -> Completion | None:
        value = self._partition.entries(self._request).get(key)
        if value is None or (entry := read_entry(value)) is None:
            return None
        if key not in self._metered:
            self._metered.add(key)
            self._partition.writer.on_reused()
            # The reply that made a redriven request a dead letter has reported the usage.
            spent = entry.completion.usage if entry.offset == self._offset else Usage()
            record_reuse(spent.model_copy(update={"reused_calls": 1}))
        return entry.completion

    async def _keep_held(self) -> None:
        """Keep the finished calls, without cheap ones."""
        held, self._held = self._held, []
        is_cheap = [count_tokens(prompt, completion) < self._min_tokens for _, prompt, completion in held]
        self._cheap += [each for each, cheap in zip(held, is_cheap, strict=True) if cheap]
        await self._keep([each for each, cheap in zip(held, is_cheap, strict=True) if not cheap])

    async def _keep(self, calls: Sequence[tuple[str, Prompt, Completion]]) -> None:
        for model, prompt, completion in calls:
            value = encode_entry(Entry(offset=self._offset, completion=completion))
            if value is None or self._bytes + len(value) > MAX_REQUEST_BYTES:
                continue
            key = await compute_key(self._request, model, prompt)
            self._metered.add(key)
            self._bytes += len(value)
            if (write := self._partition.write(key, value)) is not None:
                self._writes.append(write)
