from pathlib import Path

import pytest

from carteiro.kafka.security import connection_options
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.kafka import KafkaSettings

SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "carteiro"}
OAUTH = {
    "security_protocol": "SASL_PLAINTEXT",
    "sasl_mechanism": "OAUTHBEARER",
    "sasl_oauthbearer_token_endpoint_url": "http://localhost:1/token",
    "sasl_oauthbearer_client_id": "carteiro",
}


async def test_secrets_of_kafka_can_be_in_files(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("hunter2\n")
    options = connection_options(KafkaSettings(**SASL, sasl_password_file=file))
    assert options["sasl_plain_password"] == "hunter2"
    provider = connection_options(KafkaSettings(**OAUTH, sasl_oauthbearer_client_secret_file=file))
    assert provider["sasl_oauth_token_provider"]._auth.password == "hunter2"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read"),
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff\xfe", "UTF-8"),
        (b"x" * 70_000, "longer than"),
    ],
)
def test_file_without_a_secret_is_named_with_its_variable(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=rf"^CARTEIRO_SASL_PASSWORD_FILE: {file} .*{reason}"):
        connection_options(KafkaSettings(**SASL, sasl_password_file=file))


def test_secret_and_its_file_cannot_both_be_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="both are set"):
        connection_options(KafkaSettings(**SASL, sasl_password="hunter2", sasl_password_file=tmp_path))
