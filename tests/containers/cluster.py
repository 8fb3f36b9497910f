"""Workers of one task, in their own group and topics, with one provider as the model of all."""

import tempfile
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.worker_process import PARTITIONS_ASSIGNED, WorkerProcess
from tests.conftest import eventually
from tests.containers import audit
from tests.containers.traffic import Traffic
from tests.provider import Provider

_ENRICHMENT = """\
from: {0}
to: {1}
steps: [{{task: generate, request: "{{prompt: prompt}}", into: ai.echo, take: text}}]
"""
SESSION_SECONDS = 3
"""Session timeout of the workers, in seconds. The tests' broker allows less than Apache Kafka does by default."""


class Cluster:
    """`async with Cluster(kafka.address, provider, "chaos") as cluster` creates the topics. `start` starts workers.

    `name` is the topics' prefix and the group. The task `enrich` stands for an enrichment of events. With `static`, a
    worker that is started again under its name is the same member of the group as before.
    """

    def __init__(
        self,
        address: str,
        provider: Provider,
        name: str,
        *,
        mode: str = "exactly_once",
        task: str = "generate",
        partitions: int = 1,
        max_in_flight: int = 64,
        static: bool = False,
        **settings: str,
    ) -> None:
        self.address, self.provider, self.group = address, provider, name
        self.mode, self.task, self.partitions, self.max_in_flight, self.static = (
            mode,
            task,
            partitions,
            max_in_flight,
            static,
        )
        self.topics = (f"{name}.{task}.requests", f"{name}.{task}.replies", f"{name}.{task}.dead")
        if task == "enrich":
            self._folder = tempfile.TemporaryDirectory()
            file = Path(self._folder.name, "events.yaml")
            self.topics = (f"{name}.events", f"{name}.enriched", f"{name}.enrich-events.dead")
            file.write_text(_ENRICHMENT.format(*self.topics))
            settings["CARTEIRO_ENRICHMENTS"] = str(file)
        self.workers: dict[str, WorkerProcess] = {}
        self.past_workers: list[WorkerProcess] = []
        self._settings = {
            "CARTEIRO_BOOTSTRAP_SERVERS": address,
            "CARTEIRO_MODEL": f"{provider.url}#echo",
            "CARTEIRO_MODEL_TIMEOUT_SECONDS": "300",
            "CARTEIRO_TOPIC_PREFIX": name,
            "CARTEIRO_GROUP": name,
            "CARTEIRO_DELIVERY": mode,
            "CARTEIRO_MAX_IN_FLIGHT": str(max_in_flight),
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        } | settings

    async def __aenter__(self) -> Self:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            # An enriched event keeps the event's own timestamp, which says nothing about the worker.
            by_broker = {"message.timestamp.type": "LogAppendTime"}
            requests, replies, dead = self.topics
            configs = {requests: {}, replies: by_broker, dead: {}}
            await admin.create_topics(
                [NewTopic(topic, self.partitions, 1, topic_configs=given) for topic, given in configs.items()]
            )
        finally:
            await admin.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in [*self.past_workers, *self.workers.values()]:
            worker.process.kill()
            worker.process.wait()
            print(f"-- what worker {worker.process.pid} complained of --", *worker.warning_lines[-40:], sep="\n")
            worker.__exit__()

    @property
    def isolation_level(self) -> str:
        """Return the isolation level that a reader of the replies needs for the mode's promise."""
        return "read_committed" if self.mode == "exactly_once" else "read_uncommitted"

    def traffic(self) -> Traffic:
        """Return a traffic source for these workers, which reads the replies at the mode's isolation level."""
        return Traffic(self.address, self.topics, isolation_level=self.isolation_level, task=self.task)

    def start(self, *names: str, **settings: str) -> None:
        """Start workers. By default a worker is started again with the settings that it had under its name."""
        for name in names:
            if name in self.workers:
                self.past_workers.append(self.workers[name])
            instance = {"CARTEIRO_GROUP_INSTANCE_ID": f"{self.group}-{name}"} if self.static else {}
            self.workers[name] = WorkerProcess(self.task, **self._settings | instance | settings)

    async def start_and_wait(self, *names: str, **settings: str) -> WorkerProcess:
        """Start workers, wait until they have joined their group, and return the last of them."""
        self.start(*names, **settings)
        for name in names:
            await eventually(self.workers[name].ready)
        return self.workers[names[-1]]

    async def wait_until_assigned(self) -> None:
        """Return once every partition is assigned to one worker."""

        def all_served() -> bool:
            lines = [worker.rebalance_lines for worker in self.workers.values() if not worker.has_exited()]
            taken = [line[-1]["partitions"] for line in lines if line and line[-1]["event"] == PARTITIONS_ASSIGNED]
            return sorted(chain.from_iterable(taken)) == list(range(self.partitions))

        await eventually(all_served)

    def kill(self, name: str) -> list[int]:
        """Send `kill -9`, and return the partitions that the worker held."""
        worker = self.workers[name]
        worker.kill()
        return worker.partitions

    async def stop(self, *names: str) -> None:
        """Send SIGTERM to these workers (by default to all). Return once they have ended with exit code 0."""
        stopped = [self.workers.pop(name) for name in names or tuple(self.workers)]
        self.past_workers += stopped
        for worker in stopped:
            # Before that log line SIGTERM ends a process without a clean stop.
            await eventually(lambda: worker.has_exited() or worker.find_log_line("starting") is not None)  # noqa: B023
            worker.terminate()
        for worker in stopped:
            await eventually(worker.has_exited)
            assert worker.process.returncode == 0, worker.output[-5000:]

    async def stop_and_check(self, traffic: Traffic) -> None:
        """Stop the workers. Check that each request has one reply, that no letter is dead, and that the lag is 0."""
        await self.stop()
        replies = await audit.count_by_correlation_id(self.address, self.topics[1], self.isolation_level)
        expected = Counter(traffic.prompts.keys())
        # A request that the producer sent twice has two record ids, so its replies name two requests.
        assert replies == expected, (expected - replies, traffic.served_requests(replies - expected))
        assert not traffic.dead_letters
        assert not await self.lag()

    def calls(self, traffic: Traffic) -> int:
        """Return the number of model calls for these requests, without probes."""
        return sum(self.provider.calls[prompt] for prompt in set(traffic.prompts.values()))

    async def lag(self) -> dict[int, int]:
        """Return the number of uncommitted requests by partition, without partitions that have none."""
        return await audit.lag(self.address, self.topics[0], self.group)
