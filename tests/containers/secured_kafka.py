"""Apache Kafka that requires authentication and authorises each user."""

import base64
import json
import re
import time
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from tests.containers.conftest import ApacheKafka, free_port
from tests.local_server import LocalServer

PASSWORD = "correct-horse"
CHAT_USER, DEFERRING_USER, BATCH_USER, ENRICH_USER = "talker", "patient", "clerk", "editor"
"""Users of chat's workers, of workers that defer requests, of workers that serve deferred requests by batches, and of
workers of an enrichment. `worker` is the user of the others."""
PLAIN_USERS = ("worker", CHAT_USER, DEFERRING_USER, BATCH_USER, ENRICH_USER)
_JAAS = "org.apache.kafka.common.security"
_TOOLS = "/opt/kafka/bin"
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactionalId": ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": ResourcePatternType.LITERAL, "prefix": ResourcePatternType.PREFIXED}


class SecuredKafka(ApacheKafka):
    """Broker with SASL, SASL over TLS and mutual TLS, each at its own address. `folder` gets the certificates."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.addresses = {name: f"localhost:{free_port()}" for name in ("SASL", "SASLSSL", "SSL")}
        inner = {"SASL": 9095, "SASLSSL": 9096, "SSL": 9097}
        for name, address in self.addresses.items():
            self.with_bind_ports(inner[name], int(address.rpartition(":")[2]))
        authority = trustme.CA()
        server, client = authority.issue_cert("localhost"), authority.issue_cert("localhost", common_name="worker")
        authority.cert_pem.write_to_path(folder / "ca.pem")
        client.cert_chain_pems[0].write_to_path(folder / "client.pem")
        client.private_key_pem.write_to_path(folder / "client.key")
        listeners = ",".join(f"{name}://:{port}" for name, port in inner.items())
        advertised = ",".join(f"{name}://{address}" for name, address in self.addresses.items())
        for name, value in {
            "LISTENERS": f"PLAINTEXT://:9092,CONTROLLER://:9093,INTERNAL://:9094,{listeners}",
            "ADVERTISED_LISTENERS": f"PLAINTEXT://{self.address},INTERNAL://localhost:9094,{advertised}",
            "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,"
            "SASL:SASL_PLAINTEXT,SASLSSL:SASL_SSL,SSL:SSL",
            "SASL_ENABLED_MECHANISMS": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
            "SSL_KEYSTORE_TYPE": "PEM",
            "SSL_KEYSTORE_CERTIFICATE_CHAIN": _one_line(server.cert_chain_pems[0].bytes()),
            "SSL_KEYSTORE_KEY": _one_line(_pkcs8(server.private_key_pem.bytes())),
            "SSL_TRUSTSTORE_TYPE": "PEM",
            "SSL_TRUSTSTORE_CERTIFICATES": _one_line(authority.cert_pem.bytes()),
            "LISTENER_NAME_SSL_SSL_CLIENT_AUTH": "required",
            "LISTENER_NAME_SSL_SSL_PRINCIPAL_MAPPING_RULES": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "AUTHORIZER_CLASS_NAME": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "SUPER_USERS": "User:ANONYMOUS",
            # The tests' own listener is in plain text. A worker never gets its address.
            "ALLOW_EVERYONE_IF_NO_ACL_FOUND": "false",
        }.items():
            self.with_env(f"KAFKA_{name}", value)
        for listener in ("SASL", "SASLSSL"):
            for mechanism, config in {
                "PLAIN": f"{_JAAS}.plain.PlainLoginModule required "
                + " ".join(f'user_{name}="{PASSWORD}"' for name in PLAIN_USERS)
                + ";",
                "SCRAM___SHA___256": f"{_JAAS}.scram.ScramLoginModule required;",
                "SCRAM___SHA___512": f"{_JAAS}.scram.ScramLoginModule required;",
                # Kafka's own validator of unsigned tokens is enough to see that a token arrives.
                "OAUTHBEARER": f"{_JAAS}.oauthbearer.OAuthBearerLoginModule required;",
            }.items():
                self.with_env(f"KAFKA_LISTENER_NAME_{listener}_{mechanism}_SASL_JAAS_CONFIG", config)

    def run(self, tool: str, *arguments: str) -> None:
        """Run one of Kafka's command line tools inside the container."""
        command = [f"{_TOOLS}/{tool}", "--bootstrap-server", "localhost:9094", *arguments]
        code, output = self.get_wrapped_container().exec_run(command)
        assert code == 0, output.decode()

    def log_rights(self) -> None:
        """Make the broker log the user and the result of the authorisation of each operation from now on."""
        what = ("--add-config", "kafka.authorizer.logger=DEBUG")
        self.run("kafka-configs.sh", "--alter", "--entity-type", "broker-loggers", "--entity-name", "1", *what)

    def used_rights(self, user: str) -> set[tuple[str, str]]:
        """Return the rights that a user has used since, by the resource's name, and the rights that it was denied."""
        lines = [line for line in self.get_logs()[0].decode().splitlines() if f"Principal = User:{user} is " in line]
        rule = re.compile(r"resourceName=([^,]+), .*?operation=([A-Z_]+)")
        return {found.groups() if (found := rule.search(line)) else ("denied", line) for line in lines}

    def add_scram_users(self) -> None:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            self.run(
                "kafka-configs.sh",
                *("--alter", "--entity-type", "users", "--entity-name", "worker"),
                *("--add-config", f"{mechanism}=[password={PASSWORD}]"),
            )

    def allow(self, user: str, acls: list[dict[str, Any]]) -> None:
        """Allow a user these operations, written as in a KafkaUser of Strimzi."""
        bindings = [
            AclBinding(
                _RESOURCES[acl["resource"]["type"]],
                acl["resource"]["name"],
                _PATTERNS[acl["resource"]["patternType"]],
                f"User:{user}",
                acl["host"],
                AclOperation[operation.upper()],
                AclPermissionType.ALLOW,
            )
            for acl in acls
            for operation in acl["operations"]
        ]
        admin = AdminClient({"bootstrap.servers": self.address})
        for done in admin.create_acls(bindings).values():
            done.result(timeout=30)


def _one_line(pem: bytes) -> str:
    """The image writes settings into a properties file, line by line."""
    return pem.decode().replace("\n", " ")


def _pkcs8(key: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    loaded = load_pem_private_key(key, None)
    return loaded.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


class TokenEndpoint(LocalServer):
    """Server that gives unsigned tokens, valid for a minute, to clients that know the secret (RFC 6749)."""

    path = "/token"

    def __init__(self) -> None:
        self.issued = 0

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/token", self._issue)]

    async def _issue(self, request: web.Request) -> web.Response:
        expected = base64.b64encode(f"client:{PASSWORD}".encode()).decode()
        form = await request.post()
        if request.headers["Authorization"] != f"Basic {expected}" or form["grant_type"] != "client_credentials":
            return web.json_response({"error": "invalid_client"}, status=401)
        self.issued += 1
        now = time.time()
        claims = {"sub": "worker", "iat": now, "exp": now + 60, "scope": "kafka"}
        token = ".".join(_encode_part(each) for each in ({"alg": "none"}, claims)) + "."
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 60})


def _encode_part(value: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
