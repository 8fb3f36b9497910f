import pytest

from carteiro.cli.exit_codes import EXIT_KAFKA, exit_with


def test_reason_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        exit_with("Kafka\n  does not   answer", EXIT_KAFKA)
    assert caught.value.code == 3
    output = capsys.readouterr()
    assert (output.out, output.err) == ("", "carteiro: Kafka does not answer\n")
