"""When a soak is as promised."""

import random
from collections import Counter

import pytest

from benchmarks.soak.flatness import LEAST_SECONDS, growth, quarters
from benchmarks.soak.record import Interval, Record, Seen
from benchmarks.soak.schedule import KILL, PAUSE, schedule
from benchmarks.soak.verdict import HANDLES_AN_HOUR, MIB_AN_HOUR, lost_and_doubled, problems


def line(value, seconds=1800):
    return [(at, value(at)) for at in range(0, seconds, 5)]


def noisy(per_hour):
    chance = random.Random(1)
    return lambda at: 140 + per_hour * at / 3600 + chance.uniform(-2, 2)


FLAT = noisy(0)


def test_a_line_that_rises_is_told_from_one_that_is_noisy():
    assert growth(line(FLAT)) == pytest.approx(0, abs=4)
    assert growth(line(noisy(60))) == pytest.approx(60, abs=4)


def test_neither_warming_up_nor_a_burst_is_growth():
    assert growth(line(lambda at: 100 + min(at, 600) / 10)) == 0
    assert growth(line(lambda at: 500 if 1200 < at < 1300 else 140)) == 0


def test_a_short_life_is_not_judged():
    assert growth(line(noisy(600), int(LEAST_SECONDS))) is None
    assert growth([]) is None


def test_quarters_are_medians_of_the_ends():
    assert quarters(
        [(0, 1), (1, 2), (2, 99), (3, 3), (4, 9), (5, 9), (6, 9), (7, 9), (8, 4), (9, 99), (10, 5), (11, 6)]
    ) == (2, 6)


def test_each_record_of_a_request_is_to_have_one_reply():
    requests = Counter(a=1, b=1, c=2, d=1)
    assert lost_and_doubled(requests, requests) == (0, 0)
    assert lost_and_doubled(requests, Counter(a=1, c=2, d=1)) == (1, 0)
    assert lost_and_doubled(requests, Counter(a=2, b=1, c=1, d=3)) == (1, 3)
    assert lost_and_doubled(requests, Counter(requests, e=1)) == (0, 1)


def record(mib=FLAT, handles=FLAT, **counts):
    made = Record(spared="a 1", **counts)
    for at in range(0, 1800, 5):
        made.seen.append(Seen(at=at, life="a 1", mib=mib(at), handles=handles(at), threads=6, cpu_seconds=0))
    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (record(lost=1), ["1 requests have no reply"]),
        (record(doubled=2), ["2 replies are too many"]),
        (record(mib=noisy(MIB_AN_HOUR + 8)), ["worker a 1 grew", "MiB"]),
        (record(handles=noisy(HANDLES_AN_HOUR + 8)), ["worker a 1 grew", "handles"]),
        (record(ended=["b 2"]), ["worker b 2 ended by itself"]),
    ],
)
def test_what_is_not_as_promised_is_said(made, words):
    (problem,) = problems(made)
    assert all(word in problem for word in words)


def test_a_run_as_promised_has_no_problems():
    made = record(mib=noisy(MIB_AN_HOUR - 8))
    made.intervals.append(Interval(at=5, lag=None, p50=0.4, p99=None, codes={"ok": 9}))
    assert problems(made) == []


@pytest.mark.parametrize("minutes", [1, 3, 30, 120])
def test_faults_are_of_every_kind_and_spare_one_worker(minutes):
    faults = schedule(minutes * 60, 1, "a", ["b"])
    assert faults == schedule(minutes * 60, 1, "a", ["b"]) != schedule(minutes * 60, 2, "a", ["b"])
    assert {fault.kind for fault in faults} == {"kill", "pause", "broker", "provider"}
    assert {fault.worker for fault in faults if fault.kind == KILL} == {"b"}
    assert {fault.worker for fault in faults if fault.kind == PAUSE} <= {"a", "b"}
    times = [fault.at for fault in faults]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < minutes * 60 * 0.95
