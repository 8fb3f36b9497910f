"""`docker compose up` as a new user runs it: built, started, used from outside and inside, a worker killed."""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiokafka import AIOKafkaConsumer
from docker import from_env

from carteiro.client import Carteiro
from carteiro.schemas import REQUESTS
from tests.conftest import eventually
from tests.provider import Provider

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
EXAMPLES = {task: json.loads((ROOT / f"examples/{task}.json").read_text()) for task in sorted(REQUESTS)}


def free_ports() -> int:
    """Return the first of twenty free ports, a multiple of 100 below the range of outgoing connections."""
    while True:
        first = random.randrange(20_000, 32_000, 100)
        try:
            for port in range(first, first + 20):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first


class ComposeProject:
    """The project of docker-compose.yml with its own name and port, on the packaged models."""

    def __init__(self) -> None:
        first_port = free_ports()
        self.port = first_port + 18
        self._name = f"carteiro-test-{self.port}"
        ours = ("OPENAI_", "AZURE_", "GEMINI_", "CARTEIRO_", "COMPOSE_")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment |= {"KAFKA_PORT": str(self.port), "COMPOSE_PROJECT_NAME": self._name, "PARTITIONS": "2"}
        self.http_port = first_port + 19
        self._environment["CARTEIRO_HTTP_PORT"] = str(self.http_port)
        # The first digits of the ports of a process for each task.
        self._environment["TASK_PORTS"] = str(first_port // 100)
        # All models load at once on a busy machine.
        self._environment["CARTEIRO_MODEL_TIMEOUT_SECONDS"] = "280"

    @property
    def address(self) -> str:
        """The address of Kafka from outside."""
        return f"localhost:{self.port}"

    @property
    def gateway(self) -> str:
        """The address of this machine from inside."""
        gateway: str = from_env().networks.get(f"{self._name}_default").attrs["IPAM"]["Config"][0]["Gateway"]
        return gateway

    def __call__(self, *arguments: str, check: bool = True, **environment: str) -> str:
        """Run `docker compose ...` and return its output."""
        command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), *arguments]
        env = self._environment | environment
        run = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert run.returncode == 0 or not check, f"{command}\n{run.stdout[-3000:]}\n{run.stderr[-5000:]}"
        return run.stdout

    def state(self, service: str) -> dict[str, str]:
        """Return the container of a service, as `docker compose ps` reports it."""
        lines = self("--profile", "*", "ps", "--all", "--format", "json", service).splitlines()
        return json.loads(lines[0]) if lines else {}


@pytest.fixture(scope="module")
def compose(docker) -> Iterator[ComposeProject]:
    running = ComposeProject()
    try:
        running("up", "--wait", "--wait-timeout", "900")
        yield running
    finally:
        print(running("logs", "--no-color", "--tail", "30", check=False)[-20_000:])
        running("--profile", "*", "down", "--volumes", "--timeout", "50")


async def test_all_services_are_healthy_without_manual_steps(compose: ComposeProject):
    assert compose.state("topics")["ExitCode"] == 0
    for service in ["kafka", "worker"]:
        assert compose.state(service)["Health"] == "healthy", service


async def test_every_task_answers_from_outside(compose: ComposeProject):
    async with Carteiro(compose.address, timeout=300) as carteiro:
        requests = [REQUESTS[task].model_validate(body) for task, body in EXAMPLES.items()]
        replies = await asyncio.gather(*(carteiro.ask(request) for request in requests))
    assert [reply.task for reply in replies] == list(EXAMPLES)
    assert all(reply.model.startswith("local:") for reply in replies)


async def test_every_task_answers_from_a_container(compose: ComposeProject):
    script = (
        "import asyncio, json, sys\n"
        "from carteiro.client import Carteiro\n"
        "from carteiro.schemas import REQUESTS\n"
        "async def main():\n"
        "    async with Carteiro('kafka:19092', timeout=300) as carteiro:\n"
        "        for task, body in json.loads(sys.argv[1]).items():\n"
        "            print((await carteiro.ask(REQUESTS[task].model_validate(body))).task)\n"
        "asyncio.run(main())\n"
    )
    output = compose("exec", "--no-TTY", "worker", "python", "-c", script, json.dumps(EXAMPLES))
    assert output.split() == list(EXAMPLES)


async def test_killed_worker_loses_nothing(compose: ComposeProject):
    async with Carteiro(compose.address, timeout=300) as carteiro:
        calls = [asyncio.ensure_future(carteiro.generate(f"Number {i}.", max_output_tokens=40)) for i in range(6)]
        # The first reply shows that the others are running or queued.
        await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(compose, "kill", "--signal", "KILL", "worker")
        await eventually(lambda: compose.state("worker")["State"] == "exited")
        # Docker takes `docker compose kill` for the user's wish and does not restart the container.
        await asyncio.to_thread(compose, "start", "worker")
        replies = await asyncio.gather(*calls)
    assert all(reply.status == "ok" for reply in replies)
    assert len({reply.request_id for reply in replies}) == len(calls)


async def test_containers_have_only_the_rights_they_need(compose: ComposeProject):
    write = "import os; print(os.getuid()); open('/app/x', 'w')"
    output = compose(
        "exec", "--no-TTY", "worker", "python", "-c", f"try:\n  {write}\nexcept OSError as e: print(e.errno)"
    )
    assert output.split() == ["10001", "30"], "not root, and EROFS"


async def test_lag_is_exported_for_every_task(compose: ComposeProject):
    compose("--profile", "observability", "up", "--detach", "--no-deps", "lag")
    script = "import urllib.request as u; print(u.urlopen('http://lag:8080/metrics').read().decode())"

    def counted() -> bool:
        output = compose("exec", "--no-TTY", "worker", "python", "-c", script, check=False)
        return all(f'carteiro_lag{{partition="1",task="{task}"}} 0.0' in output for task in EXAMPLES)

    await eventually(counted)
    compose("--profile", "observability", "stop", "lag")
    assert compose.state("lag")["ExitCode"] == 0


async def test_command_on_this_machine_sees_the_worker_and_the_lag(compose: ComposeProject):
    command = [str(Path(sys.executable).with_name("carteiro")), "status", "--json"]
    environment = os.environ | {
        "CARTEIRO_BOOTSTRAP_SERVERS": compose.address,
        "CARTEIRO_WORKERS": f"http://127.0.0.1:{compose.http_port}",
    }
    run = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 0, run.stderr
    output = json.loads(run.stdout)
    assert output["silent"] == []
    assert set(output["tasks"]) == set(EXAMPLES)


async def test_process_for_each_task_serves_its_own_task(compose: ComposeProject):
    await asyncio.to_thread(compose, "stop", "worker")
    await asyncio.to_thread(compose, "up", "--wait", "--wait-timeout", "300", "sentiment")
    async with Carteiro(compose.address, timeout=300) as carteiro:
        assert (await carteiro.sentiment("It works. I love it.")).result.label == "positive"
    await asyncio.to_thread(compose, "rm", "--stop", "--force", "sentiment")
    await asyncio.to_thread(compose, "up", "--wait", "--wait-timeout", "300", "worker")


async def test_cloud_image_without_a_key_says_so_once_and_waits(compose: ComposeProject):
    image = {"CARTEIRO_IMAGE": "cloud"}
    await asyncio.to_thread(compose, "build", "topics", **image)
    await asyncio.to_thread(compose, "up", "--detach", "worker", **image)
    await eventually(lambda: "OPENAI_API_KEY" in compose("logs", "--no-color", "worker", **image))
    state = json.loads(compose("ps", "--all", "--format", "json", "worker", **image))
    assert state["State"] == "running"
    output = compose("logs", "--no-color", "--no-log-prefix", "worker", **image).splitlines()
    assert len(output) == 1
    await asyncio.to_thread(compose, "up", "--wait", "--wait-timeout", "300", "worker")


async def test_stop_is_clean(compose: ComposeProject):
    await asyncio.to_thread(compose, "stop", "worker")
    assert compose.state("worker")["ExitCode"] == 0
    await asyncio.to_thread(compose, "start", "worker")


async def test_events_of_the_example_are_enriched_on_the_first_start(compose: ComposeProject):
    up = ("--profile", "enrich", "up", "--wait", "--wait-timeout", "300", "enrich")
    await asyncio.to_thread(compose, *up)
    consumer = AIOKafkaConsumer(
        "shop.reviews.enriched", bootstrap_servers=compose.address, auto_offset_reset="earliest"
    )
    async with consumer, asyncio.timeout(120):
        events = [json.loads((await consumer.getone()).value) for _ in range(3)]
    assert {event["id"]: "ai" in event for event in events} == {12345678901234567890: True, 8: False, 9: False}


async def test_deferrable_request_is_answered_by_a_batch(compose: ComposeProject):
    async with Provider("0.0.0.0") as provider:
        switched_on = {
            "CARTEIRO_BATCHES": "true",
            "CARTEIRO_BATCH_LINGER_SECONDS": "1",
            "CARTEIRO_BATCH_POLL_SECONDS": "1",
            "OPENAI_API_KEY": "sk-secret",
            "OPENAI_BASE_URL": f"http://{compose.gateway}:{urlsplit(provider.url).port}/v1",
        }
        up = ("--profile", "batches", "up", "--wait", "--wait-timeout", "300", "worker", "batch")
        await asyncio.to_thread(compose, *up, **switched_on)
        async with Carteiro(compose.address) as carteiro, asyncio.timeout(120):
            reply = await carteiro.generate("Whenever you like.", wait="24h")
    assert reply.result.text == "Whenever you like."
    assert reply.usage.service_tier == "batch"
    assert provider.batches.paid == {"Whenever you like.": 1}
