import pytest

from carteiro.cli.unknown_variables import warn_unknown_variables


def test_misspelt_variable_is_named_with_its_likely_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CARTEIRO_MAX_INFLIGHT", "8")
    warn_unknown_variables()
    output = capsys.readouterr()
    assert output.out == ""
    assert "carteiro: warning: CARTEIRO_MAX_INFLIGHT is no setting: did you mean CARTEIRO_MAX_IN_FLIGHT?" in output.err
