"""JSON on standard output, one object a line."""

import subprocess
import sys

import pytest

from carteiro.cli.json_lines import print_json


def test_object_is_one_line_of_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "Olá\n\u2028", "count": 1})
    assert capsys.readouterr().out == '{"text": "Ol\\u00e1\\n\\u2028", "count": 1}\n'


def test_closed_pipe_does_not_end_the_command() -> None:
    program = (
        "import sys; from carteiro.cli.json_lines import print_json\n"
        "sys.stdin.read()\n"
        "for each in range(9): print_json({'line': each})\n"
        "sys.exit(7)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stdin is not None
    process.stdin.close()
    process.stdin = process.stdout = None
    _, errors = process.communicate()
    assert (process.returncode, errors) == (7, b"")
