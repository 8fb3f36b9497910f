"""A worker that gets hostile records, and the well-behaved requests next to them."""

import asyncio
import json
import random
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from tests.broker.worker_process import PARTITIONS_ASSIGNED, WorkerProcess
from tests.conftest import eventually
from tests.containers.cluster import Cluster
from tests.containers.fuzz_report import ServiceReport
from tests.containers.hostile_records import HostileBatchGenerator

_EVERY_SECONDS = 0.25
"""Seconds between two well-behaved requests to one partition."""
_PROGRESS_SECONDS = 60.0
_BASELINE_SECONDS = 10.0
PARTITIONS = 3
LATENESS_BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Buckets of `carteiro_event_loop_lag_seconds`."""


class ReplyCounter:
    """Counter of the final replies to each request, in all reply topics. With `shared`, it adds to another counter."""

    def __init__(self, address: str, topics: Iterable[str], shared: "ReplyCounter | None" = None) -> None:
        self._address, self._topics = address, list(topics)
        self.counts: Counter[str] = shared.counts if shared else Counter()
        self.arrived: dict[str, float] = shared.arrived if shared else {}
        self.texts: dict[str, str] = shared.texts if shared else {}
        """Texts of the replies to well-behaved requests, by request id."""

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._address, isolation_level="read_committed", auto_offset_reset="earliest"
        )
        await self._consumer.start()
        await self._consumer._client.set_topics(self._topics)
        while not all(map(self._consumer.partitions_for_topic, self._topics)):
            await self._consumer._client.force_metadata_update()
            await asyncio.sleep(0.1)
        self._partitions = [TopicPartition(topic, each) for topic in self._topics for each in range(PARTITIONS)]
        self._consumer.assign(self._partitions)
        self._collector_task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._collector_task.cancel()
        await asyncio.gather(self._collector_task, return_exceptions=True)
        await self._consumer.stop()

    async def _collect(self) -> None:
        async for record in self._consumer:
            if ("final", b"false") in record.headers:
                continue
            reply = json.loads(record.value)
            reply = reply.get("data", reply) if "specversion" in reply else reply
            self.counts[reply["request_id"]] += 1
            self.arrived.setdefault(reply["request_id"], time.monotonic())
            if (record.key or b"").startswith(b"well-behaved"):
                result = reply.get("result") or {}
                self.texts[reply["request_id"]] = result.get("text") or result.get("message", {}).get("content", "")

    async def read_all(self) -> None:
        """Return once all records in the topics are counted."""
        ends = await self._consumer.end_offsets(self._partitions)
        while any([await self._consumer.position(each) < ends[each] for each in self._partitions]):
            self.check()
            await asyncio.sleep(0.1)

    def check(self) -> None:
        """Raise the error that ended the reading, if there is one."""
        if self._collector_task.done():
            self._collector_task.result()


class RawProducer:
    """Producer that sends encoded record batches unchanged, once each."""

    def __init__(self, address: str) -> None:
        self._client = AIOKafkaClient(bootstrap_servers=address)

    async def __aenter__(self) -> Self:
        await self._client.bootstrap()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, topic: str, partition: int, raw: bytes) -> int | None:
        """Return the offset of the batch's first record, or None if the broker refuses the batch."""
        topics = [(topic, [(partition, raw)])]
        request = ProduceRequest(transactional_id=None, required_acks=1, timeout=30_000, topics=topics)
        node = next(iter(self._client.cluster.brokers())).nodeId
        response = await self._client.send(node, request)
        _, code, offset, *_ = response.topics[0][1][0]
        return None if code else offset


@dataclass(frozen=True)
class Pace:
    """Records a second, largest number without a reply, largest number in all, and the end (monotonic seconds)."""

    rate: float
    outstanding: int
    records: float
    until: float


class FuzzedService:
    """A worker, its hostile records, and its well-behaved requests."""

    def __init__(
        self, cluster: Cluster, worker: WorkerProcess, replies: ReplyCounter, hostile: HostileBatchGenerator
    ) -> None:
        self.cluster, self.worker, self.replies, self.hostile = cluster, worker, replies, hostile
        started = worker.find_log_line("starting")
        assert started
        self._url = f"http://127.0.0.1:{started['http_port']}/metrics"
        self.report = ServiceReport(task=cluster.task)
        self._chance = random.Random(cluster.task)
        self._well_behaved_done, self._number = True, 0
        self._expected: set[str] = set()
        self._well_behaved: dict[str, tuple[float, str]] = {}
        self._baseline_lateness: dict[float, int] = {}
        self._baseline_cpu = (0.0, 0.0)

    @property
    def outstanding(self) -> int:
        """Return the number of readable hostile records without a reply."""
        self._expected = {each for each in self._expected if each not in self.replies.counts}
        return len(self._expected)

    async def attack(self, producer: RawProducer, pace: "Pace") -> None:
        """Send hostile records at this pace."""
        began, earlier = time.monotonic(), self.report.sent.total()
        while (now := time.monotonic()) < pace.until and (sent := self.report.sent.total()) < pace.records:
            if sent - earlier > pace.rate * (now - began) or self.outstanding > pace.outstanding:
                self.replies.check()
                await asyncio.sleep(0.01)
                continue
            batch, partition = self.hostile.batch(round(time.time() * 1000)), self._chance.randrange(PARTITIONS)
            base = await producer.send(self.cluster.topics[0], partition, batch.raw)
            if base is None:
                self.report.refused[batch.family] += 1
                continue
            self.report.sent[batch.family] += batch.records
            if batch.readable:
                self.report.readable += batch.records
                self._expected.update(
                    f"{self.cluster.topics[0]}/{partition}/{base + number}" for number in range(batch.records)
                )

    async def send_well_behaved(self, producer: AIOKafkaProducer) -> None:
        """Send well-behaved requests to each partition until cancelled."""
        due, self._well_behaved_done = time.monotonic(), False
        try:
            while True:
                for partition in range(PARTITIONS):
                    self._number += 1
                    await self._ask(producer, partition, self._number)
                due += _EVERY_SECONDS
                await asyncio.sleep(max(due - time.monotonic(), 0.0))
        finally:
            self._well_behaved_done = True

    async def _ask(self, producer: AIOKafkaProducer, partition: int, number: int) -> None:
        prompt, identity = f"well-behaved {number}", f"good-{number}".encode()
        body = (
            {"messages": [{"role": "user", "content": prompt}]} if self.cluster.task == "chat" else {"prompt": prompt}
        )
        headers = [("correlation_id", identity), ("idempotency_key", identity)]
        began, key = time.monotonic(), f"well-behaved-{number}".encode()
        sent = await producer.send_and_wait(
            self.cluster.topics[0], json.dumps(body).encode(), key=key, partition=partition, headers=headers
        )
        self._well_behaved[f"{sent.topic}/{sent.partition}/{sent.offset}"] = (began, prompt)

    async def measure_baseline(self, producer: AIOKafkaProducer) -> None:
        """Measure the latency without hostile records. Only later requests count in the report."""
        behaving = asyncio.create_task(self.send_well_behaved(producer))
        await asyncio.sleep(_BASELINE_SECONDS)
        behaving.cancel()
        await asyncio.gather(behaving, return_exceptions=True)
        await eventually(lambda: self._well_behaved.keys() <= self.replies.counts.keys())
        times = [self.replies.arrived[each] - began for each, (began, _) in self._well_behaved.items()]
        self.report.baseline_seconds = times[len(times) // 2 :]
        self._well_behaved.clear()
        self._baseline_lateness = await self._lateness()
        self._baseline_cpu = processor_seconds(self.worker.process.pid)

    async def watch_memory(self) -> None:
        """Record the worker's memory until cancelled."""
        while True:
            self.report.memory_mib = max(self.report.memory_mib, peak_memory(self.worker.process.pid) / 1024)
            await asyncio.sleep(0.5)

    async def wait_until_answered(self) -> None:
        """Return once each readable hostile record has a reply, or no reply has arrived for a while."""
        last, since = 0, time.monotonic()
        while (left := self.outstanding + self._unanswered) and time.monotonic() - since < _PROGRESS_SECONDS:
            self.replies.check()
            if left != last:
                last, since = left, time.monotonic()
            await asyncio.sleep(0.05)

    @property
    def _unanswered(self) -> int:
        """Return the number of well-behaved requests without a reply, once no more are sent."""
        return len(self._well_behaved.keys() - self.replies.counts.keys()) if self._well_behaved_done else 0

    async def fill_report(self) -> None:
        """Write the results to the report."""
        outcome, never = self.report, time.monotonic() + _PROGRESS_SECONDS
        outcome.missing = sorted(self._expected)[:1000]
        for request_id, (began, prompt) in self._well_behaved.items():
            if request_id in self.replies.arrived:
                outcome.seconds.append(self.replies.arrived[request_id] - began)
                outcome.wrong_replies += self.replies.texts.get(request_id) != prompt
            else:
                outcome.missing.append(request_id)
        if self.worker.has_exited():
            outcome.log_problems.append(f"the worker ended with {self.worker.process.returncode}")
        else:
            ran, waited = processor_seconds(self.worker.process.pid)
            outcome.ran, outcome.waited = ran - self._baseline_cpu[0], waited - self._baseline_cpu[1]
            now = await self._lateness()
            outcome.late_counts = {
                seconds: count - self._baseline_lateness.get(seconds, 0) for seconds, count in now.items()
            }
            outcome.partition_failures = (await self._metrics())["carteiro_partition_restarts_total"]
            while (lag := await self.cluster.lag()) and time.monotonic() < never:
                await asyncio.sleep(0.5)
            outcome.uncommitted = sum(lag.values())
        self._read_log()

    def _read_log(self) -> None:
        text = Path(f"/proc/self/fd/{self.worker._log.fileno()}").read_text(errors="replace")
        for line in text.splitlines():
            try:
                logged: dict[str, Any] = json.loads(line)
            except ValueError:
                self.report.log_problems.append(line[:300])
                continue
            self.report.starts += logged.get("event") == PARTITIONS_ASSIGNED
            if logged.get("level") == "error":
                self.report.errors[logged["event"]] += 1
            if logged.get("level") == "critical" or "Traceback" in line:
                self.report.log_problems.append(line[:300])

    async def _metrics(self) -> dict[str, float]:
        """Return the sums of the worker's metrics, by their names with the label `le`."""
        sums: defaultdict[str, float] = defaultdict(float)
        for line in (await asyncio.to_thread(_read, self._url)).splitlines():
            if not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                sums[series if "{le=" in series else series.partition("{")[0]] += float(value)
        return sums

    async def _lateness(self) -> dict[float, int]:
        """Return the number of times that the event loop was late by more than this many seconds."""
        metrics, name = await self._metrics(), "carteiro_event_loop_lag_seconds"
        return {
            each: round(metrics[f"{name}_count"] - metrics[f'{name}_bucket{{le="{each}"}}'])
            for each in LATENESS_BUCKETS
        }


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as response:
        text: str = response.read().decode()
    return text


def peak_memory(pid: int) -> int:
    """Return the peak memory of a process with the current memory of its descendants, in KiB; 0 if it is gone.

    A descendant is a fork that shares most pages. Each page counts once, in shares (`Pss` of proc_pid_smaps(5)).
    """
    return _kib(pid, "status", "VmHWM") + sum(_kib(each, "smaps_rollup", "Pss") for each in _descendants(pid))


def _descendants(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(each) for thread in threads for each in (thread / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []
    return children + [each for child in children for each in _descendants(child)]


def _kib(pid: int, file: str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


def processor_seconds(pid: int) -> tuple[float, float]:
    """Return the seconds for which a process's main thread ran, and for which it waited for a processor."""
    ran, waited, _ = Path(f"/proc/{pid}/schedstat").read_text().split()
    return int(ran) / 1e9, int(waited) / 1e9
