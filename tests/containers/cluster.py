"""Workers of one task, in a group and on topics of their own, with one provider as the model of them all."""

from collections import Counter
from itertools import chain
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.broker.processes import TAKING, WorkerProcess
from tests.conftest import eventually
from tests.containers import audit
from tests.containers.traffic import Traffic
from tests.provider import Provider

SESSION_SECONDS = 6
"""The shortest that Apache Kafka allows by default."""


class Cluster:
    """`async with Cluster(kafka.address, provider, "chaos") as cluster`: makes the topics; `start` starts workers.

    `name` is the topics' prefix and the group. With `static`, a worker that is started again under its name is the
    same member of the group as before.
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
        window: int = 64,
        static: bool = False,
        **settings: str,
    ) -> None:
        self.address, self.provider, self.group = address, provider, name
        self.mode, self.task, self.partitions, self.window, self.static = mode, task, partitions, window, static
        self.topics = (f"{name}.{task}.requests", f"{name}.{task}.replies", f"{name}.{task}.dead")
        self.workers: dict[str, WorkerProcess] = {}
        self.past: list[WorkerProcess] = []
        self._settings = {
            "CARTEIRO_BOOTSTRAP_SERVERS": address,
            "CARTEIRO_MODEL": f"{provider.url}#echo",
            "CARTEIRO_MODEL_TIMEOUT_SECONDS": "300",
            "CARTEIRO_TOPIC_PREFIX": name,
            "CARTEIRO_GROUP": name,
            "CARTEIRO_DELIVERY": mode,
            "CARTEIRO_WINDOW": str(window),
            "CARTEIRO_SESSION_TIMEOUT_SECONDS": str(SESSION_SECONDS),
        } | settings

    async def __aenter__(self) -> Self:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.address)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, self.partitions, 1) for topic in self.topics])
        finally:
            await admin.close()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in [*self.past, *self.workers.values()]:
            worker.process.kill()
            worker.process.wait()
            print(f"-- what worker {worker.process.pid} complained of --", *worker.complaints[-40:], sep="\n")
            worker.__exit__()

    @property
    def isolation_level(self) -> str:
        """What a reader of the replies needs for the mode's promise."""
        return "read_committed" if self.mode == "exactly_once" else "read_uncommitted"

    def traffic(self) -> Traffic:
        """Requests to these workers; the replies are read as the mode wants it."""
        return Traffic(self.address, self.topics, isolation_level=self.isolation_level, task=self.task)

    def start(self, *names: str, **settings: str) -> None:
        """Start workers, by default again the one of that name with the settings it had."""
        for name in names:
            if name in self.workers:
                self.past.append(self.workers[name])
            instance = {"CARTEIRO_GROUP_INSTANCE_ID": f"{self.group}-{name}"} if self.static else {}
            self.workers[name] = WorkerProcess(self.task, **self._settings | instance | settings)

    async def started(self, *names: str, **settings: str) -> WorkerProcess:
        """Start workers and return once they have joined their group; the last of them."""
        self.start(*names, **settings)
        for name in names:
            await eventually(self.workers[name].ready)
        return self.workers[names[-1]]

    async def settled(self) -> None:
        """Return once every partition is served, each by one worker."""

        def all_served() -> bool:
            lines = [worker.group_lines for worker in self.workers.values() if not worker.ended()]
            taken = [line[-1]["partitions"] for line in lines if line and line[-1]["event"] == TAKING]
            return sorted(chain.from_iterable(taken)) == list(range(self.partitions))

        await eventually(all_served)

    def kill(self, name: str) -> list[int]:
        """`kill -9`; the partitions that the worker held."""
        worker = self.workers[name]
        worker.kill()
        return worker.partitions

    async def stop(self, *names: str) -> None:
        """SIGTERM to these workers (by default to all); returns once they have ended well."""
        stopped = [self.workers.pop(name) for name in names or tuple(self.workers)]
        self.past += stopped
        for worker in stopped:
            worker.terminate()
        for worker in stopped:
            await eventually(worker.ended)
            assert worker.process.returncode == 0, worker.output[-5000:]

    async def finish(self, traffic: Traffic) -> None:
        """Stop the workers, and check that each request has one reply, no request is dead, and all is committed."""
        await self.stop()
        replies = await audit.records_by_correlation(self.address, self.topics[1], self.isolation_level)
        assert replies == Counter(traffic.prompts.keys())
        assert not traffic.dead
        assert not await self.lag()

    def calls(self, traffic: Traffic) -> int:
        """How many model calls were made for these requests, probes not counted."""
        return sum(self.provider.calls[prompt] for prompt in set(traffic.prompts.values()))

    async def lag(self) -> dict[int, int]:
        """How many requests of each partition are not committed; partitions without any are left out."""
        return await audit.lag(self.address, self.topics[0], self.group)
