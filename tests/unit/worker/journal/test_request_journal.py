"""The calls of one request that a later run finds, under crashes at any time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.errors import Unavailable
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.journal import request_journal
from carteiro.worker.journal.partition_journal import PartitionJournal
from carteiro.worker.journal.request_journal import RequestJournal
from tests.unit.worker.journal.fake_writer import FakeWriter, completion, prompt


class Crash(BaseException):
    """The worker's end."""


@dataclass
class Run:
    """One run of the request, by a worker that has just read the topic. The model crashes it at a call."""

    writer: FakeWriter
    request: int = 17
    offset: int = 17
    min_tokens: int = 256
    crash_at: int = -1
    partition: PartitionJournal | None = None
    calls: Counter[str] = field(default_factory=Counter)
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self.partition = self.partition or self.writer.next_owner()
        self.journal = RequestJournal(self.partition, self.request, self.offset, self.min_tokens)

    async def ask(self, text: str, *, tokens: int = 1000, model: str = "m") -> Completion:
        async def call() -> Completion:
            if self.calls.total() == self.crash_at:
                raise Crash
            self.calls[text] += 1
            await asyncio.sleep(0)
            done = completion(f"re {text}", tokens)
            self.usage += done.usage
            return done

        return await self.journal.complete(model, prompt(text), call, self._record_reuse)

    def _record_reuse(self, usage: Usage) -> None:
        self.usage += usage

    def acknowledge(self) -> None:
        for tombstone in self.journal.tombstones:
            self.writer.apply(tombstone)
        self.journal.forget()


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


async def test_request_with_one_call_writes_nothing(writer: FakeWriter) -> None:
    run = Run(writer)
    await run.ask("a")
    assert writer.values == {}
    assert run.journal.tombstones == []


async def test_finished_call_is_written_when_the_next_begins(writer: FakeWriter) -> None:
    run = Run(writer, crash_at=1)
    await run.ask("a")
    with pytest.raises(Crash):
        await run.ask("b")
    later = Run(writer)
    assert (await later.ask("a")).text == "re a"
    assert later.calls == {}
    assert writer.reused == 1


async def test_finished_call_is_written_while_another_runs(writer: FakeWriter) -> None:
    run, gate = Run(writer), asyncio.Event()

    async def wait() -> Completion:
        await gate.wait()
        return completion("late")

    slow = asyncio.create_task(run.journal.complete("m", prompt("slow"), wait, lambda _: None))
    await asyncio.sleep(0)
    await run.ask("a")
    assert len(writer.values) == 1
    gate.set()
    await slow
    assert len(writer.values) == 1  # the last call: the reply follows at once


async def test_finished_call_is_written_before_a_tool_is_called(writer: FakeWriter) -> None:
    run = Run(writer)
    await run.ask("a", tokens=1)
    await run.journal.keep_finished()
    later = Run(writer)
    await later.ask("a")
    assert later.calls == {}


async def test_cheap_calls_are_written_before_a_tool_is_called(writer: FakeWriter) -> None:
    run, gate = Run(writer), asyncio.Event()

    async def wait() -> Completion:
        await gate.wait()
        return completion("late", 1)

    await run.ask("before", tokens=1)
    slow = asyncio.create_task(run.journal.complete("m", prompt("slow"), wait, lambda _: None))
    await asyncio.sleep(0)
    await run.ask("meanwhile", tokens=1)
    assert writer.values == {}
    await run.journal.keep_finished()
    gate.set()
    await slow
    later = Run(writer)
    for text in ("before", "meanwhile", "slow"):
        await later.ask(text)
    assert later.calls == {"slow": 1}
    assert {each.key for each in run.journal.tombstones} == writer.values.keys()


async def test_failed_call_is_not_kept_and_leaves_none_running(writer: FakeWriter) -> None:
    run = Run(writer)

    async def fail() -> Completion:
        raise Unavailable("down")

    with pytest.raises(Unavailable):
        await run.journal.complete("m", prompt("a"), fail, lambda _: None)
    await run.ask("b")
    assert writer.values == {}


async def test_small_call_is_not_kept(writer: FakeWriter) -> None:
    run = Run(writer, min_tokens=1000)
    for text, tokens in (("a", 999), ("b", 1000), ("c", 1000)):
        await run.ask(text, tokens=tokens)
    assert len(writer.values) == 1
    later = Run(writer)
    for text in "abc":
        await later.ask(text)
    assert later.calls == {"a": 1, "c": 1}


async def test_run_through_another_model_does_not_find_the_call(writer: FakeWriter) -> None:
    run = Run(writer)
    for text in "ab":
        await run.ask(text)
    later = Run(writer)
    await later.ask("a", model="n")
    assert later.calls == {"a": 1}


async def test_second_round_of_a_chain_makes_no_call_again_and_counts_none_twice(writer: FakeWriter) -> None:
    run = Run(writer)
    for text in "abab":
        await run.ask(text)
    assert run.calls == {"a": 1, "b": 1}
    assert run.usage == Usage(output_tokens=2000)


async def test_reused_call_is_counted_once_and_marked(writer: FakeWriter) -> None:
    first = Run(writer)
    for text in "ab":
        await first.ask(text)
    later = Run(writer)
    for text in "aab":
        await later.ask(text)
    assert later.usage == Usage(output_tokens=2000, reused_calls=1)


async def test_redriven_request_finds_its_calls_whose_usage_is_reported(writer: FakeWriter) -> None:
    first = Run(writer)
    for text in "ab":
        await first.ask(text)
    redriven = Run(writer, request=17, offset=99, crash_at=1)
    await redriven.ask("a")
    await redriven.ask("b")
    assert redriven.usage == Usage(output_tokens=1000, reused_calls=1)
    with pytest.raises(Crash):
        await redriven.ask("c")
    again = Run(writer, request=17, offset=99)
    for text in "abc":
        await again.ask(text)
    assert again.calls == {"c": 1}
    assert again.usage == Usage(output_tokens=2000, reused_calls=2)


async def test_acknowledged_request_leaves_nothing(writer: FakeWriter) -> None:
    first = Run(writer)
    for text in "abc":
        await first.ask(text)
    later = Run(writer)
    await later.ask("a")
    await later.ask("x")
    await later.ask("y")
    later.acknowledge()
    assert writer.values == {}
    assert later.partition is not None
    assert later.partition.entries(17) == {}


async def test_topic_that_is_away_costs_only_the_repetition(writer: FakeWriter) -> None:
    writer.away = True
    run = Run(writer)
    for text in "aba":
        await run.ask(text)
    assert run.calls == {"a": 1, "b": 1}
    assert run.journal.tombstones == ()
    run.journal.on_failed(TimeoutError())
    assert len(writer.errors) == 1


async def test_run_keeps_a_limited_number_of_bytes(writer: FakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_journal, "MAX_REQUEST_BYTES", 500)
    run = Run(writer)
    for number in range(10):
        await run.ask(str(number))
    assert 0 < sum(map(len, writer.values.values())) <= 500


async def test_unreadable_entry_is_a_call_again(writer: FakeWriter) -> None:
    first = Run(writer)
    for text in "ab":
        await first.ask(text)
    writer.values = dict.fromkeys(writer.values, b'{"version": 2}')
    later = Run(writer)
    await later.ask("a")
    assert later.calls == {"a": 1}


async def test_settle_waits_for_writes_for_a_bounded_time(writer: FakeWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_journal, "_SETTLE_SECONDS", 0.01)
    writer.hanging = True
    run = Run(writer)
    for text in "ab":
        await run.ask(text)
    await run.journal.settle()


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=4), st.lists(st.integers(0, 12), max_size=6))
def test_crashes_repeat_only_the_calls_in_flight(groups: Sequence[Sequence[int]], crashes: Sequence[int]) -> None:
    """Calls of a group run at once. Each run but the last is killed: at a call, or at its end."""
    writer, calls = FakeWriter(), Counter[str]()
    needed = {str(each) for group in groups for each in group}

    async def serve(crash_at: int) -> Run | None:
        run = Run(writer, crash_at=crash_at)
        try:
            for group in groups:
                results = await asyncio.gather(*(run.ask(str(each)) for each in group), return_exceptions=True)
                for each, result in zip(group, results, strict=True):
                    if isinstance(result, BaseException):
                        raise result
                    assert result.text == f"re {each}"
        except Crash:
            return None
        finally:
            calls.update(run.calls)
        return run

    for crash_at in crashes:
        asyncio.run(serve(crash_at))
    last = asyncio.run(serve(-1))
    assert last is not None
    # A group may ask the same twice at once. The last call to end before a crash is not kept.
    killed = len(crashes)
    repeated = sum(len(group) - len(set(group)) for group in groups)
    assert calls.total() <= len(needed) + repeated * (killed + 1) + killed
    last.acknowledge()
    assert writer.values == {}
