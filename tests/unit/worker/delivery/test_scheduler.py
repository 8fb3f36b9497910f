"""The order in which requests start."""

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from carteiro.ledger.ledger import Ledger
from carteiro.wire.record import record_size
from carteiro.worker.delivery import scheduler as module
from carteiro.worker.delivery.scheduler import KeyedScheduler


@dataclass(frozen=True)
class QueuedRecord:
    offset: int
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def scheduler(max_running=4, *, by_key=False, admit=lambda offset: True):
    return KeyedScheduler(max_running, admit, by_key=by_key)


def start_all(queue):
    started = []
    while (record := queue.next()) is not None:
        started.append(record.offset)
    return started


def test_running_records_stay_within_the_limit():
    queue = scheduler(4)
    queue.add(QueuedRecord(offset) for offset in range(10))
    assert start_all(queue) == [0, 1, 2, 3]
    queue.mark_done(2)
    assert start_all(queue) == [4]


def test_exempt_records_do_not_count_toward_the_limit():
    queue = scheduler(2)
    queue.add(QueuedRecord(offset) for offset in range(5))
    start_all(queue)
    queue.exempt += 1
    assert start_all(queue) == [2]


def test_records_that_are_not_admitted_are_skipped():
    queue = scheduler(4, admit=lambda offset: offset % 2 == 0)
    queue.add(QueuedRecord(offset) for offset in range(6))
    assert start_all(queue) == [0, 2, 4]


def test_records_are_admitted_in_order_even_if_their_key_is_busy():
    admitted = []
    queue = scheduler(4, by_key=True, admit=lambda offset: admitted.append(offset) or True)
    queue.add([QueuedRecord(0, b"a"), QueuedRecord(1, b"a"), QueuedRecord(2, b"b"), QueuedRecord(3, b"a")])
    assert start_all(queue) == [0, 2]
    assert admitted == [0, 1, 2, 3]


def test_records_without_a_key_run_in_parallel():
    queue = scheduler(4, by_key=True)
    queue.add([QueuedRecord(0), QueuedRecord(1)])
    assert start_all(queue) == [0, 1]


def test_busy_key_does_not_block_other_keys():
    queue = scheduler(2, by_key=True)
    queue.add([QueuedRecord(offset, b"busy") for offset in range(5)] + [QueuedRecord(5, b"other")])
    assert start_all(queue) == [0, 5]


def test_clear_drops_queued_records_and_keeps_running_records():
    queue = scheduler(4, by_key=True)
    queue.add([QueuedRecord(0, b"a"), QueuedRecord(1, b"a"), QueuedRecord(2, b"b")])
    start_all(queue)
    queue.mark_done(2)
    queue.clear()
    queue.add([QueuedRecord(1, b"a"), QueuedRecord(3, b"b")])
    assert start_all(queue) == [3]
    queue.mark_done(0)
    assert start_all(queue) == [1]


def test_burst_of_one_key_does_not_block_other_keys():
    queue = scheduler(64, by_key=True)
    queue.add(
        [QueuedRecord(offset, b"busy") for offset in range(1000)]
        + [QueuedRecord(1000 + n, b"%d" % n) for n in range(63)]
    )
    assert start_all(queue) == [0, *range(1000, 1063)]


def test_key_that_is_read_later_gets_its_turn_next_to_busy_keys():
    queue = scheduler(3, by_key=True)
    queue.add(QueuedRecord(offset, b"ab"[offset % 2 : offset % 2 + 1]) for offset in range(100))
    assert start_all(queue) == [0, 1]
    queue.add([QueuedRecord(100, b"c"), QueuedRecord(101, b"d")])
    assert start_all(queue) == [100]
    queue.mark_done(0)
    assert start_all(queue) == [2]
    queue.mark_done(1)
    assert start_all(queue) == [101]
    queue.mark_done(2)
    assert start_all(queue) == [3]


def test_full_ledger_admits_no_record_and_ready_records_still_start():
    room = [True]
    queue = KeyedScheduler(4, lambda offset: True, by_key=True, can_admit=lambda: room[0])
    queue.add([QueuedRecord(0, b"a"), QueuedRecord(1, b"a"), QueuedRecord(2, b"b"), QueuedRecord(3, b"c")])
    assert start_all(queue) == [0, 2, 3]
    room[0] = False
    queue.add([QueuedRecord(4, b"d")])
    assert start_all(queue) == []
    queue.mark_done(0)
    assert start_all(queue) == [1]


def test_records_queued_by_key_are_bounded_in_number_and_bytes(monkeypatch):
    monkeypatch.setattr(module, "MAX_QUEUED", 3)
    queue = scheduler(4, by_key=True)
    queue.add(QueuedRecord(offset, b"busy") for offset in range(10))
    start_all(queue)
    assert (queue.queued, queue.buffered) == (3, 6)
    monkeypatch.setattr(module, "MAX_QUEUED", 100)
    monkeypatch.setattr(module, "MAX_QUEUED_BYTES", 50)
    queue = scheduler(4, by_key=True)
    queue.add(QueuedRecord(offset, b"k", bytes(19)) for offset in range(10))
    start_all(queue)
    assert queue.queued_bytes == 60
    assert queue.buffered == 6


@given(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d", b"e", None]), st.integers(1, 3)), max_size=80),
    st.integers(1, 6),
    st.integers(1, 20),
    st.data(),
)
@settings(max_examples=50)
def test_keys_stay_in_order_without_starvation_and_each_record_is_admitted_once(read, size, room, data):
    ledger, admitted = Ledger(), []
    offsets = [0]
    for _, distance in read:
        offsets.append(offsets[-1] + distance)
    records = [QueuedRecord(offset, key, bytes(3)) for offset, (key, _) in zip(offsets, read, strict=False)]

    def admit(offset):
        admitted.append(offset)
        return ledger.admit(offset)

    queue = KeyedScheduler(size, admit, by_key=True, can_admit=lambda: ledger.admitted < room)
    running, started, passed = [], [], dict.fromkeys([b"a", b"b", b"c", b"d", b"e"], 0)
    rest = list(records)
    while True:
        queue.add(rest[: (count := data.draw(st.integers(0, 10)) if rest else 0)])
        del rest[:count]
        while (record := queue.next()) is not None:
            assert record.key is None or record.key not in [each.key for each in running]
            running.append(record)
            started.append(record)
            ready = {each.key for each in queue._ready}
            passed = {key: passed[key] + 1 if key in ready else 0 for key in passed}
            # A ready key starts before the keys before it have had two turns.
            assert max(passed.values()) <= 2 * size
        assert len(running) <= size
        assert ledger.admitted <= room
        assert queue.queued <= ledger.admitted
        assert queue.queued_bytes == sum(
            record_size(each) for of_key in queue._queued_by_key.values() for each in of_key
        )
        if running:
            done = running.pop(data.draw(st.integers(0, len(running) - 1)))
            ledger.finish(done.offset)
            queue.mark_done(done.offset)
        elif not rest and not queue.buffered:
            break
    assert admitted == [each.offset for each in records]
    assert sorted(each.offset for each in started) == admitted
    for key in passed:
        of_key = [each.offset for each in started if each.key == key]
        assert of_key == sorted(of_key)
    assert (queue.queued, queue.queued_bytes, queue._queued_by_key) == (0, 0, {})


@given(st.lists(st.sampled_from([b"a", b"b", b"c", None]), min_size=1, max_size=40), st.integers(2, 8))
def test_another_key_always_starts_if_there_is_room(keys, size):
    queue = scheduler(size, by_key=True)
    queue.add(QueuedRecord(offset, key) for offset, key in enumerate(keys))
    start_all(queue)
    new = len(queue.running) < size
    queue.add([QueuedRecord(len(keys), b"new")])
    assert start_all(queue) == ([len(keys)] if new else [])


@given(st.lists(st.sampled_from([b"a", b"b", None]), max_size=40))
def test_buffered_bytes_count_the_records_that_are_not_admitted(keys):
    queue = scheduler(4, by_key=True, admit=lambda offset: offset % 5 != 3)
    queue.add(QueuedRecord(offset, key, bytes(10)) for offset, key in enumerate(keys))
    start_all(queue)
    assert queue.buffered_bytes == sum(record_size(each) for each in queue._buffer)
    queue.clear()
    assert queue.buffered_bytes == 0


class PartitionMachine(RuleBasedStateMachine):
    """A partition that is read, served and read again in any order of events, as a lane does it."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[QueuedRecord] = []
        """All records of the partition; they may have gaps between their offsets."""
        self.position = 0
        """Index of the next record to read."""
        self.ledger = Ledger()
        self.limit, self.room = 3, 8
        self.queue = KeyedScheduler(
            self.limit, self.ledger.admit, by_key=True, can_admit=lambda: self.ledger.admitted < self.room
        )
        self.running: dict[int, QueuedRecord] = {}
        self.unconfirmed: list[int] = []
        """Offsets of requests that have ended and whose outcomes are not acknowledged yet."""
        self.exempt: set[int] = set()
        self.started: list[QueuedRecord] = []

    @rule(keys=st.lists(st.sampled_from([b"a", b"b", b"c", None]), min_size=1, max_size=6), gap=st.integers(0, 2))
    def write(self, keys: list[bytes | None], gap: int) -> None:
        for key in keys:
            offset = self.log[-1].offset + 1 + gap if self.log else gap
            self.log.append(QueuedRecord(offset, key, b"value"))

    @rule(count=st.integers(1, 8))
    def read(self, count: int) -> None:
        self.queue.add(self.log[self.position : self.position + count])
        self.position = min(self.position + count, len(self.log))

    @rule(suspect=st.booleans())
    def start(self, *, suspect: bool) -> None:
        if (record := self.queue.next()) is None:
            return
        assert isinstance(record, QueuedRecord)
        if record.key is not None:
            assert record.key not in [each.key for each in self.running.values()], "one request of a key at a time"
        self.running[record.offset] = record
        self.started.append(record)
        if suspect:
            self.exempt.add(record.offset)
            self.queue.exempt += 1

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self._end(data.draw(st.sampled_from(sorted(self.running))))

    @precondition(lambda self: self.unconfirmed)
    @rule(data=st.data())
    def confirm(self, data: st.DataObject) -> None:
        offset = data.draw(st.sampled_from(self.unconfirmed))
        self.unconfirmed.remove(offset)
        self.ledger.finish(offset)

    @rule()
    def rebalance(self) -> None:
        """Drop what has not started, and read again from the first unfinished request."""
        self.queue.clear()
        self.ledger.reset_to([*self.running, *self.unconfirmed])
        self.position = next(
            (index for index, each in enumerate(self.log) if each.offset >= self.ledger.committable), len(self.log)
        )

    @invariant()
    def running_requests_stay_within_the_limit(self) -> None:
        assert self.queue.running.keys() == self.running.keys()
        assert len(self.running) - len(self.exempt) <= self.limit

    @invariant()
    def unfinished_requests_stay_within_the_room(self) -> None:
        assert self.ledger.admitted <= self.room

    @invariant()
    def no_request_starts_twice(self) -> None:
        offsets = [each.offset for each in self.started]
        assert len(set(offsets)) == len(offsets)

    @invariant()
    def requests_of_a_key_start_in_their_order(self) -> None:
        for key in (b"a", b"b", b"c"):
            of_key = [each.offset for each in self.started if each.key == key]
            assert of_key == sorted(of_key)

    @invariant()
    def only_confirmed_requests_are_finished(self) -> None:
        unfinished = {*self.running, *self.unconfirmed}
        assert not any(map(self.ledger.is_finished, unfinished))

    def teardown(self) -> None:
        """Serve everything: no request is lost, and none waits for ever."""
        self.read(len(self.log))
        for _ in range(len(self.log) + 1):  # in each round but the first, at least one request starts
            for _ in self.log:
                self.start(suspect=False)
            for offset in list(self.running):
                self._end(offset)
            for offset in self.unconfirmed:
                self.ledger.finish(offset)
            self.unconfirmed.clear()
        assert sorted(each.offset for each in self.started) == [each.offset for each in self.log]
        assert not self.ledger.unfinished
        assert (self.queue.buffered, self.queue.queued, self.queue.buffered_bytes, self.queue.queued_bytes) == (0,) * 4

    def _end(self, offset: int) -> None:
        del self.running[offset]
        if offset in self.exempt:
            self.exempt.remove(offset)
            self.queue.exempt -= 1
        self.queue.mark_done(offset)
        self.unconfirmed.append(offset)


PartitionMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
test_partition_is_served_in_order_within_the_limit_without_loss_or_repetition = PartitionMachine.TestCase
