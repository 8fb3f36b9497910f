from pathlib import Path

import pytest

from carteiro.registry.settings import RegistrySettingsInvalid, load_registry_settings
from carteiro.registry.subjects import SubjectStrategy

PREFIX = "CARTEIRO_SCHEMA_REGISTRY_"
OAUTH = {
    "BEARER_AUTH_CLIENT_ID": "id",
    "BEARER_AUTH_CLIENT_SECRET": "s3cret",
    "BEARER_AUTH_ISSUER_ENDPOINT_URL": "https://issuer/token",
}


def set_variables(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(PREFIX + name, value)


def test_no_variables_mean_no_registry() -> None:
    settings = load_registry_settings()
    assert (settings.url, settings.subject_name_strategy) == (None, SubjectStrategy.TOPIC)


@pytest.mark.parametrize(
    ("variables", "configured"),
    [
        ({}, {}),
        ({"BASIC_AUTH_USER_INFO": "key:s3cret"}, {"basic.auth.user.info": "key:s3cret"}),
        (
            {"BEARER_AUTH_TOKEN": "s3cret", "BEARER_AUTH_LOGICAL_CLUSTER": "lsrc-1"},
            {
                "bearer.auth.credentials.source": "STATIC_TOKEN",
                "bearer.auth.token": "s3cret",
                "bearer.auth.logical.cluster": "lsrc-1",
            },
        ),
        (
            OAUTH | {"BEARER_AUTH_SCOPE": "schema", "BEARER_AUTH_IDENTITY_POOL_ID": "pool-1"},
            {
                "bearer.auth.credentials.source": "OAUTHBEARER",
                "bearer.auth.client.id": "id",
                "bearer.auth.client.secret": "s3cret",
                "bearer.auth.scope": "schema",
                "bearer.auth.issuer.endpoint.url": "https://issuer/token",
                "bearer.auth.logical.cluster": "",
                "bearer.auth.identity.pool.id": "pool-1",
            },
        ),
    ],
    ids=["none", "basic", "token", "oauth"],
)
def test_client_is_configured_under_the_names_of_confluent(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], configured: dict[str, str]
) -> None:
    set_variables(monkeypatch, URL="https://registry", **variables)
    settings = load_registry_settings()
    assert settings.client_configuration() == {"url": "https://registry", "timeout": 10.0} | configured
    assert "s3cret" not in repr(settings)


def test_certificates_are_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "file.pem"
    file.write_text("pem")
    names = ("SSL_CA_LOCATION", "SSL_CERTIFICATE_LOCATION", "SSL_KEY_LOCATION")
    set_variables(monkeypatch, URL="https://registry", SSL_KEY_PASSWORD="s3cret", **dict.fromkeys(names, str(file)))
    configuration = load_registry_settings().client_configuration()
    assert configuration["ssl.key.password"] == "s3cret"
    assert {configuration[name.lower().replace("_", ".")] for name in names} == {str(file)}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"URL": "registry:8081"}, "URL is no address"),
        ({"BASIC_AUTH_USER_INFO": "user:x"}, "BASIC_AUTH_USER_INFO without CARTEIRO_SCHEMA_REGISTRY_URL"),
        ({"URL": "http://r", "BASIC_AUTH_USER_INFO": "user"}, "BASIC_AUTH_USER_INFO is not user:password"),
        ({"URL": "http://u:p@r", "BASIC_AUTH_USER_INFO": "u:p"}, "URL has credentials"),
        ({"URL": "http://r", "BASIC_AUTH_USER_INFO": "u:p", "BEARER_AUTH_TOKEN": "t"}, "leave one out"),
        ({"URL": "http://r", "BEARER_AUTH_TOKEN": "t", **OAUTH}, "leave one out"),
        ({"URL": "http://r", "BEARER_AUTH_CLIENT_ID": "id"}, "OAuth needs .*CLIENT_SECRET and .*ENDPOINT_URL too"),
        ({"URL": "http://r", "BEARER_AUTH_CREDENTIALS_SOURCE": "STATIC_TOKEN"}, "set .*BEARER_AUTH_TOKEN too"),
        ({"URL": "http://r", "BASIC_AUTH_USER_INFO_FILE": "/no/file"}, "BASIC_AUTH_USER_INFO_FILE cannot be read"),
        (
            {"URL": "http://r", "BEARER_AUTH_TOKEN": "t", "BEARER_AUTH_TOKEN_FILE": "/no/file"},
            "BEARER_AUTH_TOKEN and .*_FILE are both set",
        ),
        ({"URL": "http://r", "SSL_KEY_PASSWORD": "p"}, "SSL_CERTIFICATE_LOCATION too"),
        ({"URL": "http://r", "SSL_CA_LOCATION": "/no/file"}, "SSL_CA_LOCATION names no file"),
        ({"URL": "http://r", "SUBJECT_NAME_STRATEGY": "Other"}, "SUBJECT_NAME_STRATEGY must be 'TopicNameStrategy'"),
        ({"URL": "http://r", "TIMEOUT_SECONDS": "0"}, "TIMEOUT_SECONDS must be more than 0"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_combination_is_told_with_its_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    set_variables(monkeypatch, **variables)
    with pytest.raises(RegistrySettingsInvalid, match=message):
        load_registry_settings()


def test_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("key:s3cret\n")
    set_variables(monkeypatch, URL="https://registry", BASIC_AUTH_USER_INFO_FILE=str(tmp_path / "secret"))
    assert load_registry_settings().client_configuration()["basic.auth.user.info"] == "key:s3cret"
