"""The pods of the overlay `cloud`, as Podman makes them from the rendered manifests: ready, answering, ending cleanly.

Podman is not a cluster. The test acts as its controllers (a pod for each replica of a Deployment, and one for
a Job) and as its kubelet (it calls the probes). NetworkPolicies are not enforced. Podman and catatonit are Debian's
packages of those names.
"""

import asyncio
import base64
import copy
import json
import os
import resource
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest
import yaml

from carteiro.client import Carteiro
from carteiro.schemas import REQUESTS
from tests.conftest import eventually, eventually_true
from tests.containers.conftest import ApacheKafka, free_port
from tests.manifests import Manifest, Sites, of_kind
from tests.provider import Provider

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
EXAMPLES = {task: json.loads((ROOT / f"examples/{task}.json").read_text()) for task in sorted(REQUESTS)}
IMAGE = "localhost/carteiro"
KEY = "sk-only-in-a-file"


class Podman:
    """Podman with its own containers, images and volumes, in a folder."""

    def __init__(self, folder: Path) -> None:
        # Without the right to raise its limits, Podman has to be told to leave them. It confuses two of the limits.
        limits = {"nofile": resource.RLIMIT_NOFILE, "nproc": resource.RLIMIT_NPROC}
        kept = {name: min(4096, resource.getrlimit(number)[1]) for name, number in limits.items()}
        ulimits = [f"{name}={number}:{number}" for name, number in kept.items()]
        settings = folder / "containers.conf"
        settings.write_text(f"[containers]\ndefault_ulimits = {json.dumps(ulimits)}\n")
        self._environment = os.environ | {"CONTAINERS_CONF": str(settings)}
        self._command = ["podman", "--root", str(folder / "root"), "--runroot", str(folder / "run")]
        self._command += ["--cgroup-manager", "cgroupfs", "--log-level", "fatal"]
        self._played = folder / "played.yaml"

    def __call__(self, *arguments: str, check: bool = True, **more: Any) -> str:
        """Run Podman and return its output."""
        one, out = subprocess.STDOUT, subprocess.PIPE
        command = [*self._command, *arguments]
        run = subprocess.run(command, env=self._environment, stdout=out, stderr=one, text=True, **more)
        assert run.returncode == 0 or not check, f"{arguments}\n{run.stdout[-5000:]}"
        return run.stdout

    def load(self, image: str) -> None:
        """Import an image from Docker."""
        with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
            self("load", "--quiet", stdin=save.stdout)
        assert save.returncode == 0

    def play(self, *manifests: Manifest) -> None:
        """Run `podman kube play`."""
        self._played.write_text(yaml.safe_dump_all(manifests))
        self("kube", "play", str(self._played))

    def inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self("container", "inspect", container))
        return found[0]


class Pod:
    """A pod as a controller would make it."""

    def __init__(self, podman: Podman, controller: Manifest, number: int) -> None:
        template = copy.deepcopy(controller["spec"]["template"])
        self.name = f"{controller['metadata']['name']}-{number}"
        self.spec = template["spec"]
        (container,) = self.spec["containers"]
        self.container = f"{self.name}-{container['name']}"
        self.port = free_port()
        for each in container.get("ports", ()):
            each["hostPort"] = self.port
        # Podman 4.3 mounts nothing for an optional secret, and pods share volumes with the same name.
        for volume in self.spec.get("volumes", ()):
            volume.get("secret", {})["optional"] = False
        for volume in [*self.spec.get("volumes", ()), *container.get("volumeMounts", ())]:
            volume["name"] = f"{self.name}-{volume['name']}"
        self.manifest = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": self.name, "labels": template["metadata"]["labels"]},
            "spec": self.spec,
        }
        self._podman = podman

    def probe(self, which: str) -> int:
        """Return the HTTP status of a probe of the worker, or 0 if nothing answers."""
        get = self.spec["containers"][0][which]["httpGet"]
        assert get["port"] == "http"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{get['path']}", timeout=5) as response:
                status: int = response.status
        except URLError as error:
            return getattr(error, "code", 0)
        except OSError:
            return 0
        return status

    def ready(self) -> bool:
        return self.probe("readinessProbe") == 200

    def python(self, script: str) -> str:
        """Run a script inside, and return its output."""
        return self._podman("exec", self.container, "python", "-c", script)

    def ended(self) -> int | None:
        """Return the exit code, or None if the pod runs."""
        state = self._podman.inspect(self.container)["State"]
        return None if state["Running"] or state["Status"] in ("created", "initialized") else state["ExitCode"]

    @property
    def memory(self) -> int:
        """Return the memory limit."""
        limit: int = self._podman.inspect(self.container)["HostConfig"]["Memory"]
        return limit

    @property
    def log(self) -> str:
        return self._podman("logs", "--tail", "20", self.container)


class KafkaForPods(ApacheKafka):
    """A broker that pods reach at `for_pods`, an address of this machine on their network."""

    def __init__(self, gateway: str) -> None:
        super().__init__()
        port = free_port()
        self.for_pods = f"{gateway}:{port}"
        self.with_bind_ports(9095, port)
        for name, more in {
            "LISTENERS": "PODS://:9095",
            "ADVERTISED_LISTENERS": f"PODS://{self.for_pods}",
            "LISTENER_SECURITY_PROTOCOL_MAP": "PODS:PLAINTEXT",
        }.items():
            self.with_env(f"KAFKA_{name}", f"{self.env[f'KAFKA_{name}']},{more}")


@pytest.fixture(scope="module")
def podman(docker, tmp_path_factory) -> Iterator[Podman]:
    for program in ("podman", "catatonit"):
        if shutil.which(program, path=os.pathsep.join([os.environ["PATH"], "/usr/libexec/podman"])) is None:
            pytest.skip(f"no {program} here: apt-get install podman catatonit")
    if os.geteuid() != 0:
        pytest.skip("only root can give networks to Podman's pods")
    running = Podman(tmp_path_factory.mktemp("podman"))
    subprocess.run(["docker", "build", "--target", "cloud", "--tag", "carteiro:cloud", "."], cwd=ROOT, check=True)
    try:
        running.load("carteiro:cloud")
        running("tag", "docker.io/library/carteiro:cloud", f"{IMAGE}:cloud", check=False)
        yield running
    finally:
        running("pod", "rm", "--force", "--all", "--time", "0", check=False)
        running("rmi", "--force", "--all", check=False)
        running("volume", "rm", "--all", "--force", check=False)


@pytest.fixture(scope="module")
def gateway(podman: Podman) -> str:
    (network,) = json.loads(podman("network", "inspect", "podman"))
    address: str = network["subnets"][0]["gateway"]
    return address


@pytest.fixture(scope="module")
def kafka_for_pods(gateway: str) -> Iterator[KafkaForPods]:
    with KafkaForPods(gateway) as running:
        yield running


@pytest.fixture(scope="module")
async def provider_for_pods():
    async with Provider("0.0.0.0") as running:
        yield running


@pytest.fixture(scope="module")
def rendered(tmp_path_factory, kafka_for_pods: KafkaForPods, provider_for_pods: Provider, gateway: str):
    """Render the overlay with the topics' Job, and a user's settings: Kafka, a provider and its key."""
    provider = f"http://{gateway}:{urlsplit(provider_for_pods.url).port}/v1"
    settings = [f"CARTEIRO_BOOTSTRAP_SERVERS={kafka_for_pods.for_pods}", f"OPENAI_BASE_URL={provider}"]
    secret = {"name": "carteiro", "literals": [f"openai-api-key={KEY}"], "options": {"disableNameSuffixHash": True}}
    return Sites(tmp_path_factory.mktemp("manifests")).render(
        "cloud",
        "topics",
        image=IMAGE,
        configMapGenerator=[{"name": "carteiro", "behavior": "merge", "literals": settings}],
        secretGenerator=[secret],
        patches=[
            {
                "target": {"kind": "Job"},
                "patch": json.dumps(
                    [{"op": "replace", "path": "/spec/template/spec/containers/0/env/1/value", "value": "1"}]
                ),
            }
        ],
    )


@pytest.fixture(scope="module")
async def pods(podman: Podman, rendered: list[Manifest], kafka_for_pods: KafkaForPods):
    """Start the pods of all Deployments, wait until they are ready, and return them."""
    await eventually_true(kafka_for_pods.answers)
    settings = [*of_kind(rendered, "ConfigMap").values(), *of_kind(rendered, "Secret").values()]
    (job,) = of_kind(rendered, "Job").values()
    topics = Pod(podman, job, 0)
    podman.play(*settings, topics.manifest)
    await eventually(lambda: topics.ended() is not None)
    assert topics.ended() == 0, topics.log
    assert "llm.chat.requests: made" in topics.log
    pods = [
        Pod(podman, deployment, number)
        for deployment in of_kind(rendered, "Deployment").values()
        for number in range(deployment["spec"]["replicas"])
    ]
    podman.play(*settings, *(pod.manifest for pod in pods))
    for pod in pods:
        await eventually(lambda pod=pod: pod.ready() or pod.ended() is not None)
        assert pod.ready(), pod.log
    return pods


async def test_every_pod_is_ready_and_alive(pods: list[Pod]):
    assert len(pods) == 2 * len(EXAMPLES)
    assert [pod.probe("readinessProbe") for pod in pods] == [200] * len(pods)
    assert [pod.probe("livenessProbe") for pod in pods] == [200] * len(pods)


async def test_every_task_answers_with_the_key_of_the_secret(pods, kafka_for_pods: KafkaForPods, provider_for_pods):
    provider_for_pods.requests.clear()
    async with Carteiro(kafka_for_pods.address, timeout=120) as carteiro:
        requests = [REQUESTS[task].model_validate(body) for task, body in EXAMPLES.items()]
        replies = await asyncio.gather(*(carteiro.ask(request) for request in requests))
    assert [reply.task for reply in replies] == list(EXAMPLES)
    assert {reply.model for reply in replies} == {"openai:gpt-4.1-mini"}
    # Podman 4.3 passes a secret on as it is in the manifest, encoded.
    (key,) = {each.headers["Authorization"].removeprefix("Bearer ") for each in provider_for_pods.requests}
    assert key in (KEY, base64.b64encode(KEY.encode()).decode())


async def test_worker_has_only_the_rights_it_needs(pods: list[Pod]):
    script = (
        "import os\n"
        "status = dict(line.split(':', 1) for line in open('/proc/1/status'))\n"
        "print(*status['Uid'].split(), *status['Gid'].split(), status['CapEff'].strip())\n"
        "print(status['CapBnd'].strip(), status['NoNewPrivs'].strip(), status['Seccomp'].strip())\n"
        "for path in ('/app/x', '/x', '/opt/carteiro/x', '/run/secrets/carteiro/x', '/tmp/x'):\n"
        "    try:\n"
        "        open(path, 'w').close()\n"
        "        print('written')\n"
        "    except OSError as error:\n"
        "        print(os.strerror(error.errno))\n"
    )
    nothing, readonly = "0000000000000000", "Read-only file system"
    for pod in pods[::2]:
        ids, rights, *writes = pod.python(script).splitlines()
        assert ids == " ".join(["10001"] * 8 + [nothing])
        assert rights == f"{nothing} 1 2"
        assert writes == [readonly] * 4 + ["written"]
        assert pod.memory == 512 * 2**20


async def test_stopped_pod_ends_cleanly_within_its_grace_period(podman: Podman, pods: list[Pod]):
    pod = pods[0]
    began = time.monotonic()
    podman("pod", "stop", "--time", str(pod.spec["terminationGracePeriodSeconds"]), pod.name)
    assert time.monotonic() - began < pod.spec["terminationGracePeriodSeconds"]
    assert pod.ended() == 0, pod.log
    print(pod.log)
