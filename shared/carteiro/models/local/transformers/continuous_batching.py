"""Continuous batching: each step writes one token of every completion; completions join and leave between steps.

No request waits for a batch to fill up or to end. The scheme is iteration-level scheduling from Orca (Yu et al., "Orca:
A Distributed Serving System for Transformer-Based Generative Models", OSDI 2022): the rows of each step are chosen
right before it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from carteiro.models.local.inference.batch_bisection import single_item_error, split_batch
from carteiro.models.local.inference.batching import same_length_group
from carteiro.models.local.inference.error_messages import is_out_of_memory, timeout_error
from carteiro.models.local.inference.thread import ModelThread
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.local.transformers.decode_batch import DecodeBatch
from carteiro.models.local.transformers.forward import is_recurrent
from carteiro.models.local.transformers.prefix_cache import PrefixCache

_MAX_SEQUENCES = 64
"""Maximum number of completions written at the same time; further completions wait until one ends."""
_MAX_PADDING_FACTOR = 2.0
"""Two batches are merged if the result, padding included, has at most this many times their tokens."""
_MAX_PREFILL_TOKENS = 2048
"""Maximum number of prompt tokens read in one batch, padding included."""


@dataclass(eq=False, slots=True)
class _PendingSequence:
    sequence: TokenSequence
    future: asyncio.Future[TokenSequence]
    prefill_cost: int = 0
    """Cost of reading the prompt, in tokens."""
    compute_seconds: float = 0.0
    """Seconds of model time spent on the sequence; the time of a step is divided evenly among its rows."""


class ContinuousBatcher:
    """Generates sequences on a model's thread, many at the same time.

    `timeout` bounds the model's time for one row and the time of one step, in seconds. `max_cached_tokens` bounds the
    tokens, prompts and output limits together, of all rows that are being written. `clock` returns seconds.
    """

    def __init__(
        self,
        name: str,
        model: Any,
        thread: ModelThread,
        prefixes: PrefixCache,
        *,
        timeout: float,
        max_cached_tokens: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._name, self._model, self._thread, self._prefixes = name, model, thread, prefixes
        self._timeout, self._max_cached_tokens, self._clock = timeout, max_cached_tokens, clock
        self._waiting: list[_PendingSequence] = []
        self._running: dict[TokenSequence, _PendingSequence] = {}
        self._batches: list[DecodeBatch] = []
        self._loop_task: asyncio.Task[None] | None = None
        self._known_changes = 0

    async def generate(self, sequence: TokenSequence) -> None:
        """Return when the sequence is finished.

        If the caller is cancelled, the sequence leaves its batch before the next step. Raise the error of the sequence
        if it fails, and `Unavailable` if it takes longer than the timeout.
        """
        call = _PendingSequence(sequence, asyncio.get_running_loop().create_future())
        call.prefill_cost = self._prefixes.cost(sequence.token_ids)
        self._waiting.append(call)
        if self._loop_task is None or self._loop_task.done():
            self._loop_task = asyncio.create_task(self._run())
        await call.future

    async def _run(self) -> None:
        while self._waiting or self._batches:
            self._admit()
            for batch in list(self._batches):
                await self._step(batch)
            await self._merge_similar_batches()

    def _admit(self) -> None:
        """Start reading the prompt that waits longest, with prompts of similar length that fit into the cache."""
        self._waiting = [call for call in self._waiting if not call.future.done()]
        if not self._waiting or any(batch.is_prefilling for batch in self._batches):
            return
        active = [call.sequence for call in self._running.values() if not call.future.done()]
        room = self._max_cached_tokens - sum(row.max_total_tokens for row in active)
        free_slots = 1 if is_recurrent(self._model) else _MAX_SEQUENCES - len(active)
        admitted: list[_PendingSequence] = []
        self._update_costs()
        for call in same_length_group(self._waiting, lambda each: each.prefill_cost, _MAX_PREFILL_TOKENS):
            if (call.sequence.max_total_tokens > room and (admitted or active)) or len(admitted) >= free_slots:
                break
            room -= call.sequence.max_total_tokens
            admitted.append(call)
        if self._prefixes.shared_length([call.sequence.token_ids for call in admitted]):
            del admitted[1:]  # the first call reads the common beginning, and the others wait for it
        self._waiting = [call for call in self._waiting if call not in admitted]
        self._start_batch(admitted)

    def _update_costs(self) -> None:
        """Estimate the costs of the next calls again if the prefix cache has changed."""
        if self._known_changes != self._prefixes.changes:
            self._known_changes = self._prefixes.changes
            for call in self._waiting[:_MAX_SEQUENCES]:
                call.prefill_cost = self._prefixes.cost(call.sequence.token_ids)

    def _start_batch(self, calls: Sequence[_PendingSequence]) -> None:
        if calls:
            self._running |= {call.sequence: call for call in calls}
            self._batches.append(DecodeBatch(self._model, self._prefixes, [call.sequence for call in calls]))

    async def _step(self, batch: DecodeBatch) -> None:
        calls = [call for row in batch.sequences if not (call := self._running[row]).future.done()]
        for row in batch.sequences:
            if self._running[row] not in calls:
                del self._running[row]
        if not calls:
            self._batches.remove(batch)
            return

        def step() -> float:
            began = self._clock()
            batch.retain([call.sequence for call in calls])
            batch.step()
            return self._clock() - began

        try:
            seconds = await self._thread.run(lambda _: step(), self._timeout)
        except TimeoutError:
            self._fail_batch(batch, calls, timeout_error(self._name, self._timeout))
        except Exception as error:  # noqa: BLE001  # the error belongs to the caller
            self._split_failed_batch(batch, calls, error)
        else:
            for call in calls:
                call.compute_seconds += seconds / len(calls)
                self._resolve(call)

    def _resolve(self, call: _PendingSequence) -> None:
        if call.future.done():
            return
        if call.sequence.error is not None:
            call.future.set_exception(call.sequence.error)
        elif call.sequence.is_finished:
            call.future.set_result(call.sequence)
        elif call.compute_seconds > self._timeout:
            call.future.set_exception(timeout_error(self._name, self._timeout))

    def _split_failed_batch(self, batch: DecodeBatch, calls: Sequence[_PendingSequence], error: Exception) -> None:
        """Continue with one half of the rows; the other half waits."""
        if len(calls) == 1:
            self._fail_batch(batch, calls, single_item_error(self._name, error))
            return
        first, rest = split_batch(self._name, calls, error)
        self._remove_batch(batch, calls)
        if is_out_of_memory(error):
            self._max_cached_tokens = max(1, sum(call.sequence.max_total_tokens for call in first))
        self._start_batch(first)
        self._waiting = [*rest, *self._waiting]

    def _fail_batch(self, batch: DecodeBatch, calls: Sequence[_PendingSequence], failure: Exception) -> None:
        self._remove_batch(batch, calls)
        for call in calls:
            if not call.future.done():
                call.future.set_exception(failure)

    def _remove_batch(self, batch: DecodeBatch, calls: Sequence[_PendingSequence]) -> None:
        self._batches.remove(batch)
        for call in calls:
            del self._running[call.sequence]

    async def _merge_similar_batches(self) -> None:
        """Merge two batches of similar length."""
        ready = [] if is_recurrent(self._model) else [batch for batch in self._batches if not batch.is_prefilling]
        for one in ready:
            for other in ready:
                if one is not other and _are_mergeable(one, other):
                    await self._merge(one, other)
                    return

    async def _merge(self, target: DecodeBatch, source: DecodeBatch) -> None:
        calls = [
            call for row in (*target.sequences, *source.sequences) if not (call := self._running[row]).future.done()
        ]
        self._batches.remove(source)
        try:
            await self._thread.run(lambda _: target.merge(source))
        except Exception as error:  # noqa: BLE001  # the error belongs to the caller
            self._split_failed_batch(target, calls, error)


def _are_mergeable(first: DecodeBatch, second: DecodeBatch) -> bool:
    rows = [*first.sequences, *second.sequences]
    longest: int = max(first.length, second.length)
    return longest * len(rows) <= _MAX_PADDING_FACTOR * sum(len(row.token_ids) for row in rows)
