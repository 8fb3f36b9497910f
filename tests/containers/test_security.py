"""Each way to prove oneself to Kafka, on a broker that lets a worker do what the manifests for Strimzi allow it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.client import Carteiro
from tests.broker.processes import WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.secured import PASSWORD, TALKER, SecuredKafka, TokenEndpoint
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(240)]

STRIMZI = Path(__file__).parents[2] / "k8s/components/strimzi"
SASL = {"CARTEIRO_SASL_USERNAME": "worker", "CARTEIRO_SASL_PASSWORD": PASSWORD}
USERS = {"generate": "worker", "chat": TALKER}
WAYS = [
    pytest.param("PLAIN", marks=pytest.mark.long),
    pytest.param("SCRAM-SHA-256", marks=pytest.mark.long),
    "SCRAM-SHA-512 over TLS",
    pytest.param("OAUTHBEARER", marks=pytest.mark.long),
    pytest.param("mutual TLS", marks=pytest.mark.long),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def container(docker, folder):
    with SecuredKafka(folder) as running:
        yield running


def manifests(name: str, task: str) -> list[dict[str, Any]]:
    """What Strimzi is told of a task."""
    return [
        each
        for each in yaml.safe_load_all((STRIMZI / name).read_text())
        if each["metadata"]["labels"]["app.kubernetes.io/component"] == task
    ]


@pytest.fixture
async def secured(container):
    """With the topics of two tasks, and what a worker of each is allowed."""
    await eventually_true(container.answers)
    admin = AIOKafkaAdminClient(bootstrap_servers=container.address)
    await admin.start()
    there = await admin.list_topics()
    if not there:
        specs = {each["metadata"]["name"]: each["spec"] for task in USERS for each in manifests("topics.yaml", task)}
        topics = [
            NewTopic(name, spec["partitions"], 1, topic_configs=spec.get("config")) for name, spec in specs.items()
        ]
        await admin.create_topics([*topics, NewTopic("secrets", 1, 1)])
        container.add_scram_users()
        for task, name in USERS.items():
            (user,) = manifests("users.yaml", task)
            container.allow(name, user["spec"]["authorization"]["acls"])
    await admin.close()
    return container


def settings(way, container, folder, endpoint):
    tls = {"CARTEIRO_SSL_CA_LOCATION": str(folder / "ca.pem")}
    match way:
        case "OAUTHBEARER":
            return {
                "CARTEIRO_BOOTSTRAP_SERVERS": container.addresses["SASL"],
                "CARTEIRO_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "CARTEIRO_SASL_MECHANISM": "OAUTHBEARER",
                "CARTEIRO_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL": endpoint.url,
                "CARTEIRO_SASL_OAUTHBEARER_CLIENT_ID": "client",
                "CARTEIRO_SASL_OAUTHBEARER_CLIENT_SECRET": PASSWORD,
                "CARTEIRO_SASL_OAUTHBEARER_SCOPE": "kafka",
            }
        case "mutual TLS":
            return tls | {
                "CARTEIRO_BOOTSTRAP_SERVERS": container.addresses["SSL"],
                "CARTEIRO_SECURITY_PROTOCOL": "SSL",
                "CARTEIRO_SSL_CERTIFICATE_LOCATION": str(folder / "client.pem"),
                "CARTEIRO_SSL_KEY_LOCATION": str(folder / "client.key"),
            }
    over_tls = way.endswith("over TLS")
    return (
        SASL
        | (tls if over_tls else {})
        | {
            "CARTEIRO_BOOTSTRAP_SERVERS": container.addresses["SASLSSL" if over_tls else "SASL"],
            "CARTEIRO_SECURITY_PROTOCOL": "SASL_SSL" if over_tls else "SASL_PLAINTEXT",
            "CARTEIRO_SASL_MECHANISM": way.removesuffix(" over TLS"),
        }
    )


@pytest.fixture
async def start(secured, folder, model: ScriptedProvider):
    """Starts a worker that proves itself in a way."""
    started = []
    async with TokenEndpoint() as endpoint:

        def start(way, task="generate", **more):
            common = {"CARTEIRO_MODEL": f"{model.url}#echo"}
            started.append(WorkerProcess(task, **common | settings(way, secured, folder, endpoint) | more))
            return started[-1]

        yield start
    for worker in started:
        worker.__exit__()


@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_serves_with_exactly_what_it_is_allowed(secured, start, way):
    worker = start(way)
    await eventually(worker.ready)
    assert worker.logged("delivering")["mode"] == "exactly_once"
    async with Carteiro(secured.address, timeout=60) as carteiro:
        assert (await carteiro.generate(f"by {way}")).result.text == f"by {way}"
    worker.terminate()
    await eventually(worker.ended)
    assert worker.process.returncode == 0
    assert PASSWORD not in worker.output


async def test_chat_keeps_conversations_with_exactly_what_it_is_allowed(secured, start, model: ScriptedProvider):
    worker = start("PLAIN", "chat", CARTEIRO_SASL_USERNAME=TALKER)
    await eventually(worker.ready)
    assert worker.logged("delivering")["mode"] == "exactly_once"
    async with Carteiro(secured.address, timeout=60) as carteiro:
        for words in ("first", "second"):
            await carteiro.chat([{"role": "user", "content": words}], conversation_id="guest")
    asked = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "user"]
    assert asked == ["first", "second"]


@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        pytest.param("PLAIN", {"CARTEIRO_SASL_PASSWORD": "wrong"}, marks=pytest.mark.long),
        pytest.param("SCRAM-SHA-256", {"CARTEIRO_SASL_PASSWORD": "wrong"}, marks=pytest.mark.long),
        pytest.param("SCRAM-SHA-512 over TLS", {"CARTEIRO_SSL_CA_LOCATION": ""}, marks=pytest.mark.long),
        pytest.param("mutual TLS", {"CARTEIRO_SSL_CERTIFICATE_LOCATION": ""}, marks=pytest.mark.long),
    ],
)
async def test_a_worker_that_is_not_let_in_says_what_to_check_and_ends(start, way, wrong):
    worker = start(way, **wrong)
    await eventually(worker.ended)
    assert worker.process.returncode == 4
    (reason,) = [line["reason"] for line in worker.log if line["event"] == "cannot start"]
    assert "CARTEIRO_SECURITY_PROTOCOL" in reason
    assert "wrong" not in worker.output


@pytest.mark.long
async def test_without_a_token_kafka_is_waited_for(start):
    worker = start("OAUTHBEARER", CARTEIRO_SASL_OAUTHBEARER_CLIENT_SECRET="wrong")
    await eventually(lambda: any("no token" in str(line) or "token" in str(line) for line in worker.log))
    await asyncio.sleep(0)
    assert not worker.ended() or worker.process.returncode == 4
    assert "wrong" not in worker.output


async def test_a_reply_topic_that_the_worker_may_not_write_to_gets_nothing(secured, start):
    worker = start("PLAIN")
    await eventually(worker.ready)
    from tests.broker.peer import Peer

    async with Peer(secured.address, "llm.generate.replies") as peer:
        reply, _ = await peer.ask("llm.generate.requests", {"prompt": "x"}, [("reply_to", b"secrets")])
    assert reply["error"]["code"] == "invalid_request"
    assert "secrets" in reply["error"]["message"]
