"""The contenders of the delivery benchmark: if they can run here, and how many requests they hold at once."""

import json

import pytest

from benchmarks.delivery.contender_config import ContenderConfig
from benchmarks.delivery.contenders import AT_LEAST_ONCE, CONTENDERS, EXACTLY_ONCE, RAW

SHARE_CONSUMERS = [each for each in CONTENDERS if each.name.startswith("share consumer")]


def configured(contender, *, latency=0.0, url=None):
    return ContenderConfig(
        bootstrap="broker:9092",
        prefix="bench",
        max_in_flight=64,
        latency=latency,
        url=url,
        log_level="warning",
        options=dict(contender.options),
    )


def test_contender_without_its_program_is_left_out_in_one_line(monkeypatch, tmp_path):
    pytest.importorskip("matplotlib", reason="comes with the group bench")
    pytest.importorskip("psutil", reason="comes with the group bench")
    from benchmarks.delivery.__main__ import left_out

    for program in ("java", "javac"):
        monkeypatch.setenv("PATH", str(tmp_path))
        assert left_out([RAW, *SHARE_CONSUMERS]) == {
            each.name: f"{each.name}: left out, there is no {program} on the PATH" for each in SHARE_CONSUMERS
        }
        (tmp_path / program).touch(mode=0o755)
    assert left_out([RAW, *SHARE_CONSUMERS]) == {}


@pytest.mark.parametrize("contender", SHARE_CONSUMERS, ids=lambda each: each.name)
@pytest.mark.parametrize(("latency", "url"), [(0.05, None), (0.0, "http://model/v1")])
async def test_share_consumers_hold_as_many_requests_as_the_others(monkeypatch, contender, latency, url):
    from benchmarks.delivery.contenders import share_consumer

    commands = []
    monkeypatch.setattr(share_consumer, "class_path", lambda: "classes")
    monkeypatch.setattr("os.execvp", lambda _, command: commands.append(command))
    await share_consumer.run(configured(contender, latency=latency, url=url))
    given = json.loads(commands[0][-1])
    assert given["consumers"] * given["maxRecords"] == 64
    assert given["acquireMode"] == "record_limit"
    assert (given["sleepMs"], given["url"]) == (latency * 1000, url)


def test_only_contenders_that_take_a_limit_are_measured_with_another_one():
    pytest.importorskip("matplotlib", reason="comes with the group bench")
    pytest.importorskip("psutil", reason="comes with the group bench")
    from benchmarks.delivery.__main__ import pairs

    measured = [contender for _, contender in pairs(["sdk-1s-1024"])]
    assert measured == [RAW, AT_LEAST_ONCE, EXACTLY_ONCE]
    assert len(measured) < len(pairs(["sdk-1s"]))
