import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import trustme
from confluent_kafka.schema_registry import Schema, SchemaReference

from carteiro.registry.client import MAX_SCHEMA_CHARACTERS, RegistryClient
from carteiro.registry.errors import RegistryUnavailable, SchemaRejected, SchemaUnknown, SchemaUnusable
from carteiro.registry.registered_schema import Registered, SchemaText
from carteiro.registry.settings import RegistrySettings
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent

RECORD = '{"type":"record","name":"R","fields":[]}'


def make_client(server: RegistryServer, **settings: Any) -> RegistryClient:
    return RegistryClient(RegistrySettings(url=server.url, **settings))


@pytest.fixture
async def schema_id(server: RegistryServer, confluent: Confluent) -> int:
    return await confluent.client.register_schema("reviews-value", Schema(RECORD, "AVRO"))


async def test_schema_is_fetched_by_its_id_and_by_its_guid(
    server: RegistryServer, client: RegistryClient, schema_id: int
) -> None:
    fetched = await client.fetch(schema_id)
    assert fetched.root == SchemaText("AVRO", RECORD)
    assert await client.fetch(UUID(server.store.by_id(str(schema_id)).guid)) == fetched


async def test_referenced_schemas_are_fetched_once_each_in_the_order_of_their_use(
    client: RegistryClient, confluent: Confluent
) -> None:
    def reference(name: str) -> SchemaReference:
        return SchemaReference(name, name, 1)

    def record(name: str, *types: str) -> str:
        fields = ",".join(f'{{"name":"f{number}","type":"{kind}"}}' for number, kind in enumerate(types))
        return f'{{"type":"record","name":"{name}","fields":[{fields}]}}'

    await confluent.client.register_schema("A", Schema(record("A"), "AVRO"))
    await confluent.client.register_schema("B", Schema(record("B", "A"), "AVRO", [reference("A")]))
    references = [reference("B"), reference("A")]
    number = await confluent.client.register_schema("C", Schema(record("C", "B", "A"), "AVRO", references))
    fetched = await client.fetch(number)
    assert [name for name, _ in fetched.referenced] == ["A", "B"]


async def test_unknown_id_is_not_the_fault_of_the_registry(client: RegistryClient) -> None:
    with pytest.raises(SchemaUnknown, match="no schema of id 77"):
        await client.fetch(77)
    with pytest.raises(SchemaUnknown):
        await client.fetch(UUID(int=5))


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
async def test_registry_that_answers_with_an_error_is_unavailable(
    server: RegistryServer, client: RegistryClient, schema_id: int, status: int
) -> None:
    server.fault = status
    with pytest.raises(RegistryUnavailable, match=f"answers {status}"):
        await client.fetch(schema_id)
    with pytest.raises(RegistryUnavailable, match=f"answers {status}"):
        await client.register("s", SchemaText("AVRO", RECORD))
    server.fault = 0
    assert (await client.fetch(schema_id)).root.text == RECORD


async def test_registry_that_is_away_is_unavailable_until_it_is_back(
    server: RegistryServer, client: RegistryClient, schema_id: int
) -> None:
    await server.stop()
    with pytest.raises(RegistryUnavailable, match="the registry at CARTEIRO_SCHEMA_REGISTRY_URL cannot be asked"):
        await client.fetch(schema_id)
    await server.start()
    assert (await client.fetch(schema_id)).root.text == RECORD


async def test_registry_that_does_not_answer_in_time_is_unavailable(server: RegistryServer, schema_id: int) -> None:
    client = make_client(server, timeout_seconds=0.2)
    server.hold = asyncio.Event()
    with pytest.raises(RegistryUnavailable):
        await client.fetch(schema_id)
    server.hold.set()
    await client.close()


async def test_answer_that_is_no_json_is_an_unavailable_registry(schema_id: int, server: RegistryServer) -> None:
    client = RegistryClient(RegistrySettings(url=f"{server.url}/no-registry"))
    with pytest.raises(RegistryUnavailable):
        await client.fetch(schema_id)
    await client.close()


async def test_registered_schema_has_one_id_for_ever(client: RegistryClient, server: RegistryServer) -> None:
    first = await client.register("s", SchemaText("AVRO", RECORD))
    assert await client.register("s", SchemaText("AVRO", RECORD)) == first
    assert str(first.guid) == server.store.by_id(str(first.schema_id)).guid


async def test_schema_that_is_not_compatible_or_invalid_is_rejected(client: RegistryClient) -> None:
    await client.register("s", SchemaText("AVRO", RECORD))
    needs = RECORD.replace("[]", '[{"name":"x","type":"int"}]')
    with pytest.raises(SchemaRejected, match="READER_FIELD_MISSING_DEFAULT_VALUE"):
        await client.register("s", SchemaText("AVRO", needs))
    with pytest.raises(SchemaRejected, match="Invalid schema"):
        await client.register("t", SchemaText("AVRO", "{}"))


async def test_schema_above_the_limit_is_unusable(client: RegistryClient, confluent: Confluent) -> None:
    huge = RECORD.replace('"fields"', f'"doc":"{"x" * MAX_SCHEMA_CHARACTERS}","fields"')
    number = await confluent.client.register_schema("huge", Schema(huge, "AVRO"))
    with pytest.raises(SchemaUnusable, match="more than 1,048,576 characters"):
        await client.fetch(number)


async def test_schema_with_more_references_than_the_limit_is_unusable(
    client: RegistryClient, confluent: Confluent
) -> None:
    await confluent.client.register_schema("R", Schema(RECORD, "AVRO"))
    references = [SchemaReference(f"R{number}", "R", 1) for number in range(201)]
    number = await confluent.client.register_schema("many", Schema(RECORD, "AVRO", references))
    with pytest.raises(SchemaUnusable, match="more than 200 references"):
        await client.fetch(number)


async def test_protobuf_is_fetched_in_serialized_form(client: RegistryClient, confluent: Confluent) -> None:
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name="a.proto")
    file.message_type.add(name="A")
    text = base64.b64encode(file.SerializeToString()).decode()
    number = await confluent.client.register_schema("p", Schema(text, "PROTOBUF"))
    assert (await client.fetch(number)).root == SchemaText("PROTOBUF", text)


@pytest.mark.parametrize(
    ("accepted", "settings"),
    [
        ({"basic": "user:pass:word"}, {"basic_auth_user_info": "user:pass:word"}),
        ({"bearer": "token"}, {"bearer_auth_token": "token"}),
    ],
    ids=["basic", "bearer"],
)
async def test_credentials_are_sent(accepted: Any, settings: Any) -> None:
    async with RegistryServer(**accepted) as server:
        client = make_client(server, **settings)
        assert (await client.register("s", SchemaText("AVRO", RECORD))).schema_id == 1
        await client.close()
        anonymous = make_client(server)
        with pytest.raises(RegistryUnavailable, match="answers 401: Unauthorized"):
            await anonymous.register("s", SchemaText("AVRO", RECORD))
        await anonymous.close()


async def test_oauth_tokens_are_fetched_with_the_client_credentials() -> None:
    async with RegistryServer(oauth_client=("id", "secret")) as server:
        settings = {"bearer_auth_client_id": "id", "bearer_auth_issuer_endpoint_url": f"{server.url}/oauth/token"}
        client = make_client(server, **settings, bearer_auth_client_secret="secret")
        assert (await client.register("s", SchemaText("AVRO", RECORD))).schema_id == 1
        await client.close()
        wrong = make_client(server, **settings, bearer_auth_client_secret="wrong")
        with pytest.raises(RegistryUnavailable, match="the registry at CARTEIRO_SCHEMA_REGISTRY_URL cannot be asked"):
            await wrong.fetch(1)
        await wrong.close()


async def test_client_certificate_is_shown_over_tls(tmp_path: Path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.configure_trust(tls)
    tls.verify_mode = ssl.CERT_REQUIRED
    names = ("ca.pem", "client.pem", "client.key")
    ca, certificate, key = (tmp_path / name for name in names)
    issued = authority.issue_cert("worker@example.org")
    authority.cert_pem.write_to_path(str(ca))
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    async with RegistryServer(tls=tls) as server:
        client = make_client(server, ssl_ca_location=ca, ssl_certificate_location=certificate, ssl_key_location=key)
        assert (await client.register("s", SchemaText("AVRO", RECORD))).schema_id == 1
        await client.close()
        stranger = make_client(server, ssl_ca_location=ca)
        with pytest.raises(RegistryUnavailable):
            await stranger.fetch(1)
        await stranger.close()


@pytest.fixture
async def clock(server: RegistryServer, schema_id: int) -> AsyncIterator[tuple[RegistryClient, list[float]]]:
    """A client and its time. The registry fails on the schema of its first id."""
    now = [0.0]
    client = RegistryClient(RegistrySettings(url=server.url), lambda: now[0])
    server.answers[f"/schemas/ids/{schema_id}"] = (500, "a fault of the registry")
    yield client, now
    await client.close()


async def test_schema_that_only_fails_is_given_up_after_a_while_and_pauses_nothing(
    clock: tuple[RegistryClient, list[float]], server: RegistryServer, schema_id: int
) -> None:
    client, now = clock
    for now[0] in (0.0, 1.0, 30.0, 59.0, 59.5):
        with pytest.raises(RegistryUnavailable):
            await client.fetch(schema_id)
        assert client.pause_reason is None
    now[0] = 61.0
    with pytest.raises(SchemaUnusable, match="the registry answers, but not with the schema of id 1"):
        await client.fetch(schema_id)
    server.answers.clear()
    assert (await client.fetch(schema_id)).root.text == RECORD


async def test_schema_is_not_given_up_after_a_few_tries(
    clock: tuple[RegistryClient, list[float]], schema_id: int
) -> None:
    client, now = clock
    for now[0] in (0.0, 3600.0, 7200.0):
        with pytest.raises(RegistryUnavailable):
            await client.fetch(schema_id)


async def test_schema_is_not_given_up_while_the_registry_fails_on_everything(
    clock: tuple[RegistryClient, list[float]], server: RegistryServer, schema_id: int
) -> None:
    client, now = clock
    server.fault = 500
    for now[0] in range(0, 600, 30):
        with pytest.raises(RegistryUnavailable):
            await client.fetch(schema_id)
        assert client.pause_reason is not None


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
async def test_schema_that_is_denied_pauses_nothing_and_is_given_up_after_a_while(
    clock: tuple[RegistryClient, list[float]], server: RegistryServer, schema_id: int, status: int
) -> None:
    client, now = clock
    server.answers[f"/schemas/ids/{schema_id}"] = (status, "denied")
    for now[0] in (0.0, 1.0, 30.0, 59.0):
        with pytest.raises(RegistryUnavailable, match=f"answers {status}"):
            await client.fetch(schema_id)
        assert client.pause_reason is None
    now[0] = 61.0
    with pytest.raises(SchemaUnusable, match="but not with the schema of id 1$"):
        await client.fetch(schema_id)


async def test_right_on_single_subjects_tells_a_denied_schema_from_a_denied_worker(
    client: RegistryClient, server: RegistryServer, schema_id: int
) -> None:
    server.answers |= {"/subjects": (403, "denied"), "/schemas/ids/7": (403, "denied")}
    with pytest.raises(RegistryUnavailable):
        await client.fetch(7)
    assert client.pause_reason is not None
    await client.fetch(schema_id)
    with pytest.raises(RegistryUnavailable):
        await client.fetch(7)
    assert client.pause_reason is None


async def test_denied_subject_refuses_one_schema_if_another_subject_is_granted(
    client: RegistryClient, server: RegistryServer
) -> None:
    server.answers["/subjects/theirs/versions"] = (403, "denied")
    with pytest.raises(RegistryUnavailable, match="answers 403"):
        await client.register("theirs", SchemaText("AVRO", RECORD))
    await client.register("ours", SchemaText("AVRO", RECORD))
    with pytest.raises(SchemaRejected, match="denies this service the subject theirs"):
        await client.register("theirs", SchemaText("AVRO", RECORD))
    assert client.pause_reason is None
    server.answers["/subjects/ours/versions"] = (403, "denied")
    with pytest.raises(RegistryUnavailable, match="answers 403"):
        await client.register("ours", SchemaText("AVRO", RECORD))


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("<html>", RegistryUnavailable),
        ("[1]", RegistryUnavailable),
        ("null", RegistryUnavailable),
        ('{"schema": 5}', SchemaUnusable),
        ('{"schema": "{}", "schemaType": "XML"}', SchemaUnusable),
        ('{"schema": "{}", "references": [{"name": "a", "subject": "b", "version": "x"}]}', SchemaUnusable),
        ('{"schema": "{}", "references": [1]}', RegistryUnavailable),
        ("[" * 10**5, RegistryUnavailable),
    ],
    ids=lambda each: each[:30] if isinstance(each, str) else each.__name__,
)
async def test_answer_that_is_no_schema_is_an_error_of_the_registry_or_of_the_schema(
    client: RegistryClient, server: RegistryServer, body: str, error: type[Exception]
) -> None:
    server.answers["/schemas/ids/1"] = (200, body)
    with pytest.raises(error):
        await client.fetch(1)


@pytest.mark.parametrize("status", [302, 307])
async def test_redirect_is_not_followed(client: RegistryClient, server: RegistryServer, status: int) -> None:
    server.answers["/schemas/ids/1"] = (status, "")
    with pytest.raises(RegistryUnavailable, match=f"answers {status}"):
        await client.fetch(1)


@pytest.mark.parametrize("schema_id", ["null", '"5"', "-1", "1.5", "true", str(2**31)])
async def test_id_that_does_not_fit_a_record_is_none(
    client: RegistryClient, server: RegistryServer, schema_id: str
) -> None:
    server.answers["/subjects/s/versions"] = (200, f'{{"id": {schema_id}}}')
    with pytest.raises(RegistryUnavailable, match="no id for a schema"):
        await client.register("s", SchemaText("AVRO", RECORD))


async def test_guid_that_is_none_is_left_out(client: RegistryClient, server: RegistryServer) -> None:
    server.answers["/subjects/s/versions"] = (200, '{"id": 7, "guid": "x"}')
    assert await client.register("s", SchemaText("AVRO", RECORD)) == Registered(7, None)


async def test_intake_pauses_until_the_registry_answers_or_was_not_asked_for_a_while(
    server: RegistryServer, schema_id: int
) -> None:
    now = [0.0]
    client = RegistryClient(RegistrySettings(url=server.url), lambda: now[0])
    assert client.pause_reason is None
    server.fault = 503
    with pytest.raises(RegistryUnavailable):
        await client.fetch(schema_id)
    assert "answers 503" in (client.pause_reason or "")
    now[0] = 61.0
    assert client.pause_reason is None
    with pytest.raises(RegistryUnavailable):
        await client.fetch(schema_id)
    server.fault = 0
    with pytest.raises(SchemaUnknown):
        await client.fetch(99)
    assert client.pause_reason is None
    await client.close()
