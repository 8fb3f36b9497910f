"""`carteiro dead` as a user types it, with dead letters as a worker writes them."""

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from carteiro.wire.dead_letter import dead_letter_record
from tests.conftest import eventually_true
from tests.unit.wire.fake_record import FakeRecord

CARTEIRO = str(Path(sys.executable).with_name("carteiro"))
BODY = '{"messages": [{"role": "user", "content": "Olá?"}]}'.encode()
NOW = datetime.now(UTC)


class DeadLetterTopics:
    """The topics of a task under a prefix that no worker serves, so that redriven requests stay readable."""

    def __init__(self, address: str) -> None:
        self.environment = {"CARTEIRO_BOOTSTRAP_SERVERS": address, "CARTEIRO_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:8]}"}
        self.requests = f"{self.environment['CARTEIRO_TOPIC_PREFIX']}.chat.requests"
        self.dead = f"{self.environment['CARTEIRO_TOPIC_PREFIX']}.chat.dead"
        self._address = address
        self._marks = 0

    async def __aenter__(self) -> Self:
        self._producer = AIOKafkaProducer(bootstrap_servers=self._address, acks="all")
        await self._producer.start()
        await self._producer.partitions_for(self.requests)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._producer.stop()

    async def put(self, number: int, *headers: tuple[str, bytes], code: str = "model_unavailable", **of: Any) -> str:
        """Write the dead letter of request `number` of partition 1. Return the letter's id."""
        (confirmed,) = await self.put_many([number], *headers, code=code, **of)
        return confirmed

    async def put_many(self, numbers: Any, *headers: tuple[str, bytes], code: str = "internal", **of: Any) -> list[str]:
        sent = []
        for number in numbers:
            request = {"key": b"guest-%d" % number, "value": BODY} | of
            record = FakeRecord(topic=self.requests, partition=1, offset=number, headers=headers, **request)
            letter = dead_letter_record(
                record,
                self.dead,
                group="carteiro-chat",
                reason=f"[{code}] of request {number}",
                code=code,
                tries=5,
                at=NOW - timedelta(hours=10 - number % 10),
            )
            sent.append(
                await self._producer.send(letter.topic, letter.value, letter.key, 0, headers=list(letter.headers))
            )
        return [f"{each.topic}/{each.partition}/{each.offset}" for each in await asyncio.gather(*sent)]

    async def redriven(self) -> list[ConsumerRecord[Any, Any]]:
        """Return the redriven requests, ordered by the offsets of their origins."""
        # The last record sent marks the end. The embedded broker does not report it.
        partitions = {
            TopicPartition(self.requests, each) for each in await self._producer.partitions_for(self.requests)
        }
        for each in partitions:
            await self._producer.send_and_wait(self.requests, b"end", partition=each.partition)
        consumer = AIOKafkaConsumer(bootstrap_servers=self._address)
        await consumer.start()
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = {each.partition: 0 for each in partitions}
        self._marks += 1
        records = []
        async with asyncio.timeout(60):
            while min(ends.values()) < self._marks:
                record = await consumer.getone()
                ends[record.partition] += record.value == b"end"
                records += [] if record.value == b"end" else [record]
        await consumer.stop()
        return sorted(records, key=lambda each: dict(each.headers)["kafka_dlt-original-offset"])

    async def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        def call() -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [CARTEIRO, "dead", *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=120,
                env=os.environ | self.environment,
            )

        result = await asyncio.to_thread(call)
        assert result.returncode == code, result.stderr
        return result

    async def listed(self, *arguments: str) -> dict[str, dict[str, Any]]:
        result = await self.run("list", "--json", *arguments)
        return {each["id"]: each for each in map(json.loads, result.stdout.splitlines())}


@pytest.fixture
async def letters(broker) -> AsyncIterator[DeadLetterTopics]:
    async with DeadLetterTopics(broker.address) as running:
        yield running


async def test_missing_topic_means_no_dead_letters_and_is_not_created(letters: DeadLetterTopics):
    result = await letters.run("list")
    assert (result.stdout, result.stderr) == ("no dead letters\n", "")
    assert (await letters.run("redrive", "--yes")).stdout == "nothing to redrive\n"
    assert "there is no dead letter 0/0" in (await letters.run("show", "0/0", code=1)).stderr
    assert (await letters.run("list", "chat", "--json")).stdout == ""


async def test_list_shows_all_letters(letters: DeadLetterTopics):
    first = await letters.put(3, ("correlation_id", b"order-3"))
    second = await letters.put(4, code="internal", key=None)
    result = await letters.run("list", "chat")
    head, *rows, summary = result.stdout.splitlines()
    assert head.split() == "id when (UTC) code tries redrives state correlation id reason".split()
    assert [row.split()[0] for row in rows] == [first, second]
    assert "order-3" in rows[0]
    assert "[model_unavailable] of request 3" in rows[0]
    assert f"{letters.requests}/1/4" in rows[1], "its reply's correlation id"
    assert summary == "2 dead letters"
    assert await letters.listed() == await letters.listed("chat")
    assert await letters.listed("translate") == {}
    one = (await letters.listed())[first]
    assert (one["code"], one["tries"], one["redrives"], one["key"], one["state"]) == (
        "model_unavailable",
        5,
        0,
        "guest-3",
        "waiting",
    )


async def test_filters_select_letters(letters: DeadLetterTopics):
    first = await letters.put(2, ("correlation_id", b"order-2"))
    second = await letters.put(8, code="internal")
    for arguments, found in (
        (["--code", "internal"], [second]),
        (["--reason", "REQUEST 8"], [second]),
        (["--since", "4h", "--key", "guest-8"], [second]),
        (["--correlation-id", "order-2"], [first]),
    ):
        assert list(await letters.listed(*arguments)) == found, arguments
    result = await letters.run("redrive", "--yes", "--code", "expired")
    assert result.stdout == "nothing to redrive\n"


async def test_show_prints_one_letter(letters: DeadLetterTopics):
    letter = await letters.put(5, ("correlation_id", b"order-5"), ("x", b"\xff\x1b"))
    short_id = letter.removeprefix(f"{letters.dead}/")
    text = (await letters.run("show", letter)).stdout
    assert text == (await letters.run("show", short_id)).stdout == (await letters.run("show", "chat", short_id)).stdout
    assert text.startswith(f"{letter}\n")
    assert "  reason       [model_unavailable] of request 5\n" in text
    assert f"  request      {letters.requests}/1/5\n" in text
    assert "  x                                 0xff1b\n" in text
    assert '        "content": "Olá?"\n' in text
    tombstone = await letters.put(6, value=None)
    assert (await letters.run("show", tombstone)).stdout.endswith("\nvalue, none\n")
    for short_id in ("0/99", "3/0"):
        errors = (await letters.run("show", short_id, code=1)).stderr
        assert errors == f"carteiro: there is no dead letter {short_id}; `carteiro dead list --all` lists them\n"


async def test_json_output_is_for_programs(letters: DeadLetterTopics):
    letter, later = await letters.put(5, ("x", b"\xff\x1b")), await letters.put(6, value=None)
    shown = json.loads((await letters.run("show", letter, "--json")).stdout)
    assert shown | (await letters.listed())[letter] == shown
    assert json.loads(shown["value"]) == json.loads(BODY)
    assert ["x", "0xff1b"] in shown["headers"]
    assert json.loads((await letters.run("show", later, "--json")).stdout)["value"] is None

    result = await letters.run("redrive", "--dry-run", "--json")
    *rows, outcome = map(json.loads, result.stdout.splitlines())
    assert [each["id"] for each in rows] == [letter, later]
    assert (outcome["chosen"], outcome["to"], outcome["redriven"]) == (2, {letters.requests: 2}, 0)
    result = await letters.run("redrive", "--yes", "--json")
    assert (json.loads(result.stdout)["redriven"], result.stderr) == (2, "")
    result = await letters.run("redrive", "--yes", "--json")
    outcome = json.loads(result.stdout)
    assert (outcome["chosen"], outcome["redriven"], outcome["already"]) == (0, 0, 2)
    assert result.stderr == "2 already redriven: skipped\nnothing to redrive\n"


async def test_redriven_request_is_the_original_and_is_sent_once(letters: DeadLetterTopics):
    headers = (("correlation_id", b"order-1"), ("x", b"\xff"), ("timeout_ms", b"60000"), ("reply_to", b"inbox"))
    await letters.put(1, *headers, ("deadline", b"2020-01-01T00:00:00Z"))
    await letters.put(2, key=None)
    await letters.put(3, value=None)
    await letters.put(4, key=None, value=None)
    result = await letters.run("redrive", "chat", "--yes")
    assert (result.stdout, result.stderr) == ("4 of 4 redriven\n", "")
    first, second, third, fourth = await letters.redriven()
    assert [each.partition for each in (first, second, third, fourth)] == [1, 1, 1, 1], "where they stood"
    assert (first.key, first.value) == (b"guest-1", BODY)
    assert first.headers[:4] == headers
    assert first.headers[-1] == ("carteiro_redrives", b"1")
    assert {name for name, _ in first.headers[4:-1]} == {
        f"kafka_dlt-original-{each}"
        for each in ("topic", "partition", "offset", "timestamp", "timestamp-type", "consumer-group")
    }
    assert (second.key, second.value) == (None, BODY)
    assert dict(second.headers)["correlation_id"] == f"{letters.requests}/1/2".encode()
    assert (third.key, third.value) == (b"guest-3", None)
    assert (fourth.key, fourth.value) == (None, b"")

    result = await letters.run("redrive", "chat", "--yes")
    assert result.stdout == "4 already redriven: skipped\nnothing to redrive\n"
    assert len(await letters.redriven()) == 4
    assert await letters.listed() == {}
    assert {each["state"] for each in (await letters.listed("--all")).values()} == {"redriven"}
    assert (await letters.run("list")).stdout == "no dead letters wait; 4 redriven, which --all shows\n"

    later = await letters.put(5)
    assert list(await letters.listed()) == [later]
    assert (await letters.run("redrive", "--yes")).stdout == "4 already redriven: skipped\n1 of 1 redriven\n"
    assert len(await letters.redriven()) == 5


async def test_dry_run_sends_nothing(letters: DeadLetterTopics):
    letter = await letters.put(1)
    result = await letters.run("redrive", "--dry-run")
    assert letter in result.stdout
    assert result.stdout.endswith(f"\nwould redrive 1 to {letters.requests}\n")
    assert await letters.redriven() == []
    assert list(await letters.listed()) == [letter]


async def test_redrive_without_a_terminal_needs_yes(letters):
    await letters.put(1)
    result = await letters.run("redrive", code=2)
    assert "say --yes" in result.stderr
    assert (await letters.run("redrive", "--yes")).stdout == "1 of 1 redriven\n"


async def test_request_over_the_redrive_limit_is_left(letters: DeadLetterTopics):
    await letters.put(1, ("carteiro_redrives", b"2"))
    over_limit = await letters.put(2, ("carteiro_redrives", b"3"))
    result = await letters.run("redrive", "--yes")
    assert result.stdout == "1 skipped, redriven 3 times or more and failed again (--max-redrives)\n1 of 1 redriven\n"
    (request,) = await letters.redriven()
    assert dict(request.headers)["carteiro_redrives"] == b"3"
    assert list(await letters.listed()) == [over_limit]
    await letters.run("redrive", over_limit, "--max-redrives", "4", "--yes")
    assert [dict(each.headers)["carteiro_redrives"] for each in await letters.redriven()] == [b"3", b"4"]


async def test_letters_are_redriven_by_their_ids(letters: DeadLetterTopics):
    first, second, third = [await letters.put(number) for number in range(3)]
    result = await letters.run("redrive", "--yes", "chat", first, second.removeprefix(f"{letters.dead}/"))
    assert result.stdout == "2 of 2 redriven\n"
    assert list(await letters.listed()) == [third]
    result = await letters.run("redrive", "--yes", "0/2", "0/99", code=1)
    assert result.stderr == "carteiro: there is no dead letter 0/99; nothing was sent\n"
    assert len(await letters.redriven()) == 2


async def test_embedded_broker_cannot_record_a_letter_after_an_open_one_and_warns(letters: DeadLetterTopics):
    _, second = await letters.put(1), await letters.put(2)
    result = await letters.run("redrive", second, "--yes")
    assert result.stdout == "1 of 1 redriven\n"
    assert result.stderr.startswith("carteiro: warning: 1 of these will show as waiting again")
    assert second in await letters.listed()


async def test_redrive_keeps_the_order_and_ctrl_c_loses_and_duplicates_nothing(letters: DeadLetterTopics):
    count = 3000
    await letters.put_many(range(count))
    process = subprocess.Popen(
        [CARTEIRO, "dead", "redrive", "--yes"],
        env=os.environ | letters.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    async def some_are_there() -> bool:
        return process.poll() is not None or len(await letters.redriven()) > 0

    await eventually_true(some_are_there)
    process.send_signal(signal.SIGINT)
    output, errors = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode in (0, 130), errors
    assert errors == ""
    sent = len(await letters.redriven())
    assert output == f"{sent} of {count} redriven\n"
    await letters.run("redrive", "--yes")
    requests = await letters.redriven()
    assert [int.from_bytes(dict(each.headers)["kafka_dlt-original-offset"], "big") for each in requests] == [
        *range(count)
    ]


async def test_redrive_on_a_terminal_asks_first(letters: DeadLetterTopics):
    letter = await letters.put(1)
    for answer, code, left in (("n", 1, [letter]), ("y", 0, [])):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [CARTEIRO, "dead", "redrive"],
            env=os.environ | letters.environment,
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        os.write(ours, f"{answer}\n".encode())
        output, errors = await asyncio.to_thread(process.communicate, timeout=60)
        os.close(ours)
        os.close(theirs)
        assert (process.returncode, f"Redrive 1 to {letters.requests}?" in output) == (code, True), errors
        assert list(await letters.listed()) == left
