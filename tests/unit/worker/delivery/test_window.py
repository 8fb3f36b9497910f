"""Which request begins when."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.window import Window


@dataclass(frozen=True)
class Read:
    offset: int
    key: bytes | None = None


def window(size=4, *, by_key=False, take=lambda offset: True):
    return Window(size, take, by_key=by_key)


def begin_all(some):
    begun = []
    while (record := some.next()) is not None:
        begun.append(record.offset)
    return begun


def test_no_more_run_than_the_window_holds():
    some = window(4)
    some.add(Read(offset) for offset in range(10))
    assert begin_all(some) == [0, 1, 2, 3]
    some.done(2)
    assert begin_all(some) == [4]


def test_those_set_aside_leave_their_places_to_others():
    some = window(2)
    some.add(Read(offset) for offset in range(5))
    begin_all(some)
    some.aside += 1
    assert begin_all(some) == [2]


def test_what_is_not_to_be_served_is_passed_over():
    some = window(4, take=lambda offset: offset % 2 == 0)
    some.add(Read(offset) for offset in range(6))
    assert begin_all(some) == [0, 2, 4]


def test_every_record_is_asked_for_in_order_even_those_behind_their_key():
    asked = []
    some = window(4, by_key=True, take=lambda offset: asked.append(offset) or True)
    some.add([Read(0, b"a"), Read(1, b"a"), Read(2, b"b"), Read(3, b"a")])
    assert begin_all(some) == [0, 2]
    assert asked == [0, 1, 2, 3]


def test_without_a_key_there_is_no_order():
    some = window(4, by_key=True)
    some.add([Read(0), Read(1)])
    assert begin_all(some) == [0, 1]


def test_a_busy_key_leaves_room_for_others():
    some = window(2, by_key=True)
    some.add([Read(offset, b"busy") for offset in range(5)] + [Read(5, b"other")])
    assert begin_all(some) == [0, 5]


def test_what_waits_is_forgotten_when_reading_begins_anew_and_what_runs_is_not():
    some = window(4, by_key=True)
    some.add([Read(0, b"a"), Read(1, b"a"), Read(2, b"b")])
    begin_all(some)
    some.done(2)
    some.clear()
    some.add([Read(1, b"a"), Read(3, b"b")])
    assert begin_all(some) == [3]
    some.done(0)
    assert begin_all(some) == [1]


@given(st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=60), st.integers(1, 8), st.data())
def test_each_key_is_served_in_order_one_at_a_time_and_all_are_served(keys, size, data):
    some = window(size, by_key=True)
    some.add(Read(offset, key) for offset, key in enumerate(keys))
    running, begun = [], []
    while True:
        while (record := some.next()) is not None:
            assert record.key is None or record.key not in [each.key for each in running]
            running.append(record)
            begun.append(record)
            assert len(running) <= size
        if not running:
            break
        done = running.pop(data.draw(st.integers(0, len(running) - 1)))
        some.done(done.offset)
    assert sorted(each.offset for each in begun) == list(range(len(keys)))
    for key in (b"a", b"b", b"c"):
        of_key = [each.offset for each in begun if each.key == key]
        assert of_key == sorted(of_key)
