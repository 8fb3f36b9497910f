"""The pass criteria of a soak."""

import random
from collections import Counter

import pytest

from benchmarks.soak.flatness import MIN_SECONDS, growth_per_hour, quarters
from benchmarks.soak.pass_criteria import MAX_HANDLES_PER_HOUR, MAX_MIB_PER_HOUR, lost_and_duplicate, problems
from benchmarks.soak.record import Interval, ProcessSample, SoakRecord
from benchmarks.soak.schedule import KILL, PAUSE, schedule


def line(value, seconds=1800):
    return [(at, value(at)) for at in range(0, seconds, 5)]


def noisy(per_hour):
    chance = random.Random(1)
    return lambda at: 140 + per_hour * at / 3600 + chance.uniform(-2, 2)


FLAT = noisy(0)


def test_rising_line_differs_from_a_noisy_line():
    assert growth_per_hour(line(FLAT)) == pytest.approx(0, abs=4)
    assert growth_per_hour(line(noisy(60))) == pytest.approx(60, abs=4)


def test_warm_up_and_bursts_are_not_growth():
    assert growth_per_hour(line(lambda at: 100 + min(at, 600) / 10)) == 0
    assert growth_per_hour(line(lambda at: 500 if 1200 < at < 1300 else 140)) == 0


def test_short_life_is_not_judged():
    assert growth_per_hour(line(noisy(600), int(MIN_SECONDS))) is None
    assert growth_per_hour([]) is None


def test_quarters_are_medians_of_the_ends():
    assert quarters(
        [(0, 1), (1, 2), (2, 99), (3, 3), (4, 9), (5, 9), (6, 9), (7, 9), (8, 4), (9, 99), (10, 5), (11, 6)]
    ) == (2, 6)


def test_every_request_record_has_one_reply():
    requests = Counter(a=1, b=1, c=2, d=1)
    assert lost_and_duplicate(requests, requests) == (0, 0)
    assert lost_and_duplicate(requests, Counter(a=1, c=2, d=1)) == (1, 0)
    assert lost_and_duplicate(requests, Counter(a=2, b=1, c=1, d=3)) == (1, 3)
    assert lost_and_duplicate(requests, Counter(requests, e=1)) == (0, 1)


def record(mib=FLAT, handles=FLAT, **counts):
    made = SoakRecord(survivor="a 1", **counts)
    for at in range(0, 1800, 5):
        made.seen.append(ProcessSample(at=at, life="a 1", mib=mib(at), handles=handles(at), threads=6, cpu_seconds=0))
    return made


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (record(lost=1), ["1 requests have no reply"]),
        (record(doubled=2), ["2 replies are too many"]),
        (record(mib=noisy(MAX_MIB_PER_HOUR + 8)), ["worker a 1 grew", "MiB"]),
        (record(handles=noisy(MAX_HANDLES_PER_HOUR + 8)), ["worker a 1 grew", "handles"]),
        (record(ended=["b 2"]), ["worker b 2 ended by itself"]),
    ],
)
def test_broken_criterion_is_reported(made, words):
    (problem,) = problems(made)
    assert all(word in problem for word in words)


def test_good_run_has_no_problems():
    made = record(mib=noisy(MAX_MIB_PER_HOUR - 8))
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
