"""`docker compose up` as somebody new to it would: built, started, asked from outside and inside, a worker killed."""

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from docker import from_env

from carteiro.client import Carteiro
from carteiro.schemas import REQUESTS
from tests.conftest import eventually
from tests.provider import Provider

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
EXAMPLES = {task: json.loads((ROOT / f"examples/{task}.json").read_text()) for task in sorted(REQUESTS)}


class Composed:
    """The project of docker-compose.yml under a name and a port of its own, on the packaged models."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._name = f"carteiro-test-{self.port}"
        ours = ("OPENAI_", "AZURE_", "GEMINI_", "CARTEIRO_", "COMPOSE_")
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self._environment |= {"KAFKA_PORT": str(self.port), "COMPOSE_PROJECT_NAME": self._name, "PARTITIONS": "2"}
        # Six models at once on a busy machine.
        self._environment["CARTEIRO_MODEL_TIMEOUT_SECONDS"] = "280"

    @property
    def address(self) -> str:
        """Kafka, from outside."""
        return f"localhost:{self.port}"

    @property
    def gateway(self) -> str:
        """This machine, from inside."""
        gateway: str = from_env().networks.get(f"{self._name}_default").attrs["IPAM"]["Config"][0]["Gateway"]
        return gateway

    def __call__(self, *arguments: str, check: bool = True, **environment: str) -> str:
        """What `docker compose ...` prints."""
        command = ["docker", "compose", "--file", str(ROOT / "docker-compose.yml"), *arguments]
        env = self._environment | environment
        run = subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert run.returncode == 0 or not check, f"{command}\n{run.stdout[-3000:]}\n{run.stderr[-5000:]}"
        return run.stdout

    def state(self, service: str) -> dict[str, str]:
        """The container of a service, as `docker compose ps` tells it."""
        lines = self("--profile", "*", "ps", "--all", "--format", "json", service).splitlines()
        return json.loads(lines[0]) if lines else {}


@pytest.fixture(scope="module")
def compose(docker) -> Iterator[Composed]:
    running = Composed()
    try:
        running("up", "--wait", "--wait-timeout", "900")
        yield running
    finally:
        print(running("logs", "--no-color", "--tail", "30", check=False)[-20_000:])
        running("--profile", "*", "down", "--volumes", "--timeout", "50")


async def test_all_are_healthy_without_manual_steps(compose: Composed):
    assert compose.state("topics")["ExitCode"] == 0
    for service in ["kafka", *EXAMPLES]:
        assert compose.state(service)["Health"] == "healthy", service


async def test_every_task_answers_from_outside(compose: Composed):
    async with Carteiro(compose.address, timeout=300) as carteiro:
        requests = [REQUESTS[task].model_validate(body) for task, body in EXAMPLES.items()]
        replies = await asyncio.gather(*(carteiro.ask(request) for request in requests))
    assert [reply.task for reply in replies] == list(EXAMPLES)
    assert all(reply.model.startswith("local:") for reply in replies)


async def test_every_task_answers_from_a_container(compose: Composed):
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
    said = compose("exec", "--no-TTY", "chat", "python", "-c", script, json.dumps(EXAMPLES))
    assert said.split() == list(EXAMPLES)


async def test_a_worker_that_is_killed_loses_nothing(compose: Composed):
    async with Carteiro(compose.address, timeout=300) as carteiro:
        asked = [asyncio.ensure_future(carteiro.generate(f"Number {i}.", max_output_tokens=40)) for i in range(6)]
        # The first reply says that the others are in work or wait.
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.to_thread(compose, "kill", "--signal", "KILL", "generate")
        await eventually(lambda: compose.state("generate")["State"] == "exited")
        # `docker compose kill` counts as a wish of the user's, after which Docker does not restart by itself.
        await asyncio.to_thread(compose, "start", "generate")
        replies = await asyncio.gather(*asked)
    assert all(reply.status == "ok" for reply in replies)
    assert len({reply.request_id for reply in replies}) == len(asked)


async def test_containers_have_no_more_than_they_need(compose: Composed):
    write = "import os; print(os.getuid()); open('/app/x', 'w')"
    said = compose("exec", "--no-TTY", "chat", "python", "-c", f"try:\n  {write}\nexcept OSError as e: print(e.errno)")
    assert said.split() == ["10001", "30"], "not root, and EROFS"


async def test_the_lag_is_counted_for_every_task(compose: Composed):
    compose("--profile", "observability", "up", "--detach", "--no-deps", "lag")
    script = "import urllib.request as u; print(u.urlopen('http://lag:8080/metrics').read().decode())"

    def counted() -> bool:
        said = compose("exec", "--no-TTY", "chat", "python", "-c", script, check=False)
        return all(f'carteiro_lag{{partition="1",task="{task}"}} 0.0' in said for task in EXAMPLES)

    await eventually(counted)
    compose("--profile", "observability", "stop", "lag")
    assert compose.state("lag")["ExitCode"] == 0


async def test_a_stop_is_clean(compose: Composed):
    await asyncio.to_thread(compose, "stop", "sentiment")
    assert compose.state("sentiment")["ExitCode"] == 0
    await asyncio.to_thread(compose, "start", "sentiment")


async def test_what_can_wait_is_done_by_batches(compose: Composed):
    async with Provider("0.0.0.0") as provider:
        switched_on = {
            "CARTEIRO_BATCHES": "true",
            "CARTEIRO_BATCH_GATHER_SECONDS": "1",
            "CARTEIRO_BATCH_POLL_SECONDS": "1",
            "OPENAI_API_KEY": "sk-secret",
            "OPENAI_BASE_URL": f"http://{compose.gateway}:{urlsplit(provider.url).port}/v1",
        }
        up = ("--profile", "batches", "up", "--wait", "--wait-timeout", "300", "generate", "waiting")
        await asyncio.to_thread(compose, *up, **switched_on)
        async with Carteiro(compose.address) as carteiro, asyncio.timeout(120):
            reply = await carteiro.generate("Whenever you like.", wait="24h")
    assert reply.result.text == "Whenever you like."
    assert reply.usage.service_tier == "batch"
    assert provider.batches.paid == {"Whenever you like.": 1}
