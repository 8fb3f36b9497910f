"""Every authentication method, on a broker that allows a worker exactly what the manifests for Strimzi allow."""

import asyncio
import json

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from carteiro.client import Carteiro, ReplyError
from carteiro.schemas import Options
from carteiro.schemas.generate import GenerateRequest
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import ROOT, WorkerProcess
from tests.conftest import eventually, eventually_true
from tests.containers.secured_kafka import (
    BATCH_USER,
    CHAT_USER,
    DEFERRING_USER,
    ENRICH_USER,
    PASSWORD,
    SecuredKafka,
    TokenEndpoint,
)
from tests.manifests import Manifest, Sites, of_kind
from tests.provider import ScriptedProvider

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.timeout(240)]

SASL = {"CARTEIRO_SASL_USERNAME": "worker", "CARTEIRO_SASL_PASSWORD": PASSWORD}
USERS = {"carteiro-generate": "worker", "carteiro-chat": CHAT_USER}
"""Users of the manifests, and their names on this broker."""
USERS_WITH_BATCHES = {
    "carteiro-generate": DEFERRING_USER,
    "carteiro-batch": BATCH_USER,
    "carteiro-enrich": ENRICH_USER,
}
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


@pytest.fixture(scope="module")
def manifests(tmp_path_factory) -> tuple[list[Manifest], list[Manifest]]:
    """Return the Strimzi manifests of the tasks, and those with batches and enrichments."""
    sites = Sites(tmp_path_factory.mktemp("k8s"))
    more = ("batches", "strimzi-batches", "enrich", "strimzi-enrich")
    with_batches = sites.render("cloud", "strimzi", *more, image="carteiro")
    return sites.render("cloud", "strimzi", image="carteiro"), with_batches


def new_topic(name: str, manifest: Manifest) -> NewTopic:
    """Return the topic with one replica, since there is one broker."""
    config = {key: value for key, value in manifest["spec"].get("config", {}).items() if key != "min.insync.replicas"}
    return NewTopic(name, manifest["spec"]["partitions"], 1, topic_configs=config)


@pytest.fixture
async def secured(container, manifests):
    """Create the topics of two tasks and of an enrichment, and give their workers the rights of the manifests."""
    await eventually_true(container.answers)
    admin = AIOKafkaAdminClient(bootstrap_servers=container.address)
    await admin.start()
    there = await admin.list_topics()
    if not there:
        without_batches, with_batches = manifests
        topics = [
            new_topic(name, manifest)
            for name, manifest in of_kind(with_batches, "KafkaTopic").items()
            if name.split(".")[1] in ("generate", "chat", "reviews", "enrich-reviews")
        ]
        await admin.create_topics([*topics, NewTopic("secrets", 1, 1)])
        container.add_scram_users()
        for manifest, users in ((without_batches, USERS), (with_batches, USERS_WITH_BATCHES)):
            for user, name in users.items():
                container.allow(name, of_kind(manifest, "KafkaUser")[user]["spec"]["authorization"]["acls"])
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
    """Yield a function that starts a worker with an authentication method."""
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
async def test_worker_serves_with_exactly_its_rights(secured, start, way):
    worker = start(way)
    await eventually(worker.ready)
    assert worker.find_log_line("delivering")["mode"] == "exactly_once"
    async with Carteiro(secured.address, timeout=60) as carteiro:
        assert (await carteiro.generate(f"by {way}")).result.text == f"by {way}"
    worker.terminate()
    await eventually(worker.has_exited)
    assert worker.process.returncode == 0
    assert PASSWORD not in worker.output


async def test_finished_calls_are_kept_with_exactly_the_rights(secured, start, model: ScriptedProvider):
    worker = start("PLAIN", CARTEIRO_JOURNAL_MIN_TOKENS="0")
    await eventually(worker.ready)
    model.queue_completion("no JSON")
    async with Carteiro(secured.address, timeout=60) as carteiro:
        schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        assert (await carteiro.generate("Count.", json_schema=schema)).status == "ok"
    await eventually_true(lambda: worker.has_kept(1))
    assert not any("journal" in json.dumps(line) for line in worker.warning_lines)


async def test_chat_keeps_conversations_with_exactly_its_rights(secured, start, model: ScriptedProvider):
    worker = start("PLAIN", "chat", CARTEIRO_SASL_USERNAME=CHAT_USER)
    await eventually(worker.ready)
    assert worker.find_log_line("delivering")["mode"] == "exactly_once"
    async with Carteiro(secured.address, timeout=60) as carteiro:
        for words in ("first", "second"):
            await carteiro.chat([{"role": "user", "content": words}], conversation_id="guest")
    prompts_seen = [message["content"] for message in model.requests[-1].body["messages"] if message["role"] == "user"]
    assert prompts_seen == ["first", "second"]


async def test_deferred_request_is_answered_with_exactly_the_rights(secured, manifests, start, model: ScriptedProvider):
    batches = {
        "CARTEIRO_GENERATE_MODEL": "openai:gpt-4.1-mini",
        "OPENAI_API_KEY": "sk-secret",
        "OPENAI_BASE_URL": model.url,
        "CARTEIRO_BATCHES": "true",
        "CARTEIRO_BATCH_LINGER_SECONDS": "0.5",
        "CARTEIRO_BATCH_POLL_SECONDS": "0.2",
        "CARTEIRO_BATCH_MARGIN_SECONDS": "10",
    }
    secured.log_rights()
    live = start("PLAIN", CARTEIRO_SASL_USERNAME=DEFERRING_USER, **batches)
    batch = start("PLAIN", "batch", CARTEIRO_SASL_USERNAME=BATCH_USER, **batches)
    for worker in (live, batch):
        await eventually(worker.ready)
        assert worker.find_log_line("delivering")["mode"] == "exactly_once"
    model.when("poison", "500")
    prompts = [f"Whenever {number}." for number in range(8)]
    async with Carteiro(secured.address, timeout=120) as carteiro:

        def ask_deferrable(prompt):
            return carteiro.ask(GenerateRequest(prompt=prompt, options=Options(wait="1h")), timeout=120)

        assert (await carteiro.generate("At once.")).usage.service_tier is None
        replies = await asyncio.gather(*map(ask_deferrable, prompts))
        assert [reply.result.text for reply in replies] == prompts
        assert {reply.usage.service_tier for reply in replies} == {"batch"}
        with pytest.raises(ReplyError, match="model_unavailable"):
            await ask_deferrable("poison")
    assert 'carteiro_dead_letters_total{code="model_unavailable",task="generate"} 1.0' in batch.get("/metrics")[1]
    # Nothing is kept of a batch whose requests are all answered.
    await eventually(lambda: not model.batches.files)
    for worker in (live, batch):
        worker.terminate()
        await eventually(worker.has_exited)
        assert worker.process.returncode == 0
    # All rights are used, and no other operation was tried.
    for name, user in (("carteiro-generate", DEFERRING_USER), ("carteiro-batch", BATCH_USER)):
        allowed = {
            (acl["resource"]["name"], each.upper())
            for acl in of_kind(manifests[1], "KafkaUser")[name]["spec"]["authorization"]["acls"]
            for each in acl["operations"]
        }
        used = secured.used_rights(user)
        assert used <= allowed
        unused = {each for each in allowed - used if ".generate." in each[0] or "-generate" in each[0]}
        # Only the second worker gives a request up, and no request has finished calls to keep.
        not_needed = {"llm.generate.dead", "llm.generate.journal"} if user is DEFERRING_USER else set()
        assert {topic for topic, _ in unused} <= not_needed


async def test_enrichment_is_served_and_its_calls_kept_with_exactly_the_rights(secured, manifests, start):
    secured.log_rights()
    worker = start(
        "PLAIN",
        "enrich",
        CARTEIRO_SASL_USERNAME=ENRICH_USER,
        CARTEIRO_ENRICHMENTS=str(ROOT / "examples/enrich/reviews.yaml"),
        CARTEIRO_JOURNAL_MIN_TOKENS="0",
    )
    await eventually(worker.ready)
    assert worker.find_log_line("delivering")["mode"] == "exactly_once"
    event = {"lang": "en", "body": {"text": "The boots are warm, and one size too small."}}
    async with RawKafkaClient(secured.address, "shop.reviews.enriched", "read_committed") as enriched:
        await enriched.send("shop.reviews", json.dumps(event).encode())
        await enriched.send("shop.reviews", b"[]")
        await eventually(lambda: len(enriched.records) == 2)
    assert 'carteiro_journal_calls_total{outcome="kept",task="enrich-reviews"}' in worker.get("/metrics")[1]
    assert not any("journal" in json.dumps(line) for line in worker.warning_lines)
    worker.terminate()
    await eventually(worker.has_exited)
    assert worker.process.returncode == 0
    allowed = {
        (acl["resource"]["name"], each.upper())
        for acl in of_kind(manifests[1], "KafkaUser")["carteiro-enrich"]["spec"]["authorization"]["acls"]
        for each in acl["operations"]
    }
    used = secured.used_rights(ENRICH_USER)
    assert used <= allowed
    assert {name for name, _ in allowed - used} <= {"llm.enrich-reviews.dead"}


@pytest.mark.parametrize(
    ("way", "wrong"),
    [
        pytest.param("PLAIN", {"CARTEIRO_SASL_PASSWORD": "wrong"}, marks=pytest.mark.long),
        pytest.param("SCRAM-SHA-256", {"CARTEIRO_SASL_PASSWORD": "wrong"}, marks=pytest.mark.long),
        pytest.param("SCRAM-SHA-512 over TLS", {"CARTEIRO_SSL_CA_LOCATION": ""}, marks=pytest.mark.long),
        pytest.param("mutual TLS", {"CARTEIRO_SSL_CERTIFICATE_LOCATION": ""}, marks=pytest.mark.long),
    ],
)
async def test_worker_with_wrong_credentials_says_what_to_check_and_ends(start, way, wrong):
    worker = start(way, **wrong)
    await eventually(worker.has_exited)
    assert worker.process.returncode == 4
    (reason,) = [line["reason"] for line in worker.log if line["event"] == "cannot start"]
    assert "CARTEIRO_SECURITY_PROTOCOL" in reason
    assert "wrong" not in worker.output


@pytest.mark.long
async def test_worker_without_a_token_exits_with_the_code_of_kafka(start):
    worker = start("OAUTHBEARER", CARTEIRO_SASL_OAUTHBEARER_CLIENT_SECRET="wrong")
    await eventually(worker.has_exited)
    assert worker.process.returncode == 4
    assert "no token" in worker.output
    assert "wrong" not in worker.output


async def test_reply_topic_without_write_permission_gets_nothing(secured, start):
    worker = start("PLAIN")
    await eventually(worker.ready)
    from tests.broker.raw_kafka_client import RawKafkaClient

    async with RawKafkaClient(secured.address, "llm.generate.replies") as peer:
        reply, _ = await peer.ask("llm.generate.requests", {"prompt": "x"}, [("reply_to", b"secrets")])
    assert reply["error"]["code"] == "invalid_request"
    assert "secrets" in reply["error"]["message"]
