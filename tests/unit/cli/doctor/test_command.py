"""The lines of `carteiro doctor`."""

import pytest
from typer.testing import CliRunner

from carteiro.cli.doctor import command
from carteiro.cli.doctor.finding import Finding
from carteiro.cli.main import app


def test_name_of_a_model_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    async def find(*_: object, **__: object):
        yield Finding("model bedrock:x", "fault", "bedrock:x: needs [a key]", "see :bug:")

    monkeypatch.setattr(command, "_findings", find)
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 1
    assert result.stdout == "fault    model bedrock:x: bedrock:x: needs [a key]\n         see :bug:\n"
