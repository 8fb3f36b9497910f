"""The journal of one request: its calls of models that are finished and paid.

A finished call is kept once the request has another call in flight: until then there is nothing to repeat but itself.
So a request with one call writes nothing, and the last call of a request is not written either.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import Usage
from carteiro.wire.record import OutgoingRecord
from carteiro.worker.delivery.outcome import Cleanup
from carteiro.worker.journal.entry import Entry, compute_key, count_tokens, encode_entry, read_entry
from carteiro.worker.journal.partition_journal import PartitionJournal

MAX_REQUEST_BYTES = 4 * 2**20
"""Most bytes of the entries that one run of a request writes. Later calls are not kept."""
_SETTLE_SECONDS = 2.0


class RequestJournal(Cleanup):
    """Journal of one run of a request, whose calls may run at the same time."""

    def __init__(self, partition: PartitionJournal, request: int, offset: int, min_tokens: int) -> None:
        """`request` is the offset of the request's first record. `offset` is that of the record that is served: another
        one if the request was redriven. A call with fewer than `min_tokens` tokens is not kept.
        """
        self._partition, self._request, self._offset, self._min_tokens = partition, request, offset, min_tokens
        self._held: list[tuple[str, Prompt, Completion]] = []
        """Finished calls that are not kept yet."""
        self._metered: set[bytes] = set()
        """Keys of the entries whose usage is counted in this run."""
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

    async def keep_finished(self) -> None:
        """Keep the calls that are finished, also cheap ones: the request is about to do what a repetition would do
        differently. Return once the topic has them, after 2 s at the latest.
        """
        await self._keep_held(min_tokens=0)
        await self.settle()

    async def settle(self) -> None:
        """Wait until the topic has what this run has written, so that its deletion comes after it; for 2 s at most."""
        if pending := [write for write in self._writes if not write.done()]:
            await asyncio.wait(pending, timeout=_SETTLE_SECONDS)

    def forget(self) -> None:
        """Remove the request's entries from memory: its reply is acknowledged."""
        self._partition.forget(self._request)

    @property
    def tombstones(self) -> Sequence[OutgoingRecord]:
        if not self._partition.writer.is_available:
            return ()
        keys = self._metered.union(self._partition.entries(self._request))
        return [self._partition.tombstone(key) for key in sorted(keys)]

    def on_failed(self, error: Exception) -> None:
        self._partition.writer.on_failed(error)

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

    async def _keep_held(self, min_tokens: int | None = None) -> None:
        held, self._held = self._held, []
        for model, prompt, completion in held:
            if count_tokens(prompt, completion) < (self._min_tokens if min_tokens is None else min_tokens):
                continue
            value = encode_entry(Entry(offset=self._offset, completion=completion))
            if value is None or self._bytes + len(value) > MAX_REQUEST_BYTES:
                continue
            key = await compute_key(self._request, model, prompt)
            self._metered.add(key)
            self._bytes += len(value)
            if (write := self._partition.write(key, value)) is not None:
                self._writes.append(write)
