"""Properties that all commands share."""

import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from carteiro.cli.commands import COMMANDS as COMMAND_ENTRIES
from carteiro.cli.doctor.finding import Finding
from carteiro.cli.main import app

ROOT = Path(__file__).parents[3]
CARTEIRO = str(Path(sys.executable).with_name("carteiro"))
POINTED = {
    "CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "CARTEIRO_MODEL": "http://127.0.0.1:9/v1#echo",
    "CARTEIRO_EMBED_MODEL": "http://127.0.0.1:9/v1#vectors",
    "TERM": "xterm-256color",
}
"""Settings with which no command finds a broker, and none loads a model."""
WITHOUT_JSON = {
    "asyncapi": "what it prints is JSON",
    "worker": "it logs",
    "healthcheck": "its exit code is its answer",
    "lag-exporter": "it serves metrics",
}


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_all_commands_are_found():
    assert {"ask", "demo", "dead redrive", "topics create"} <= set(COMMANDS)
    assert set(WITHOUT_JSON) <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_json_with_the_same_option(name):
    found = {option.help for option in COMMANDS[name].params if "--json" in option.opts}
    wanted = {"Print one JSON object a line; what is for people goes to standard error."}
    assert found == (set() if name in WITHOUT_JSON else wanted)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_in_its_help(name):
    output = CliRunner().invoke(app, [*name.split(), "--help"]).stdout
    assert re.search(rf"^ *(\S+=\S+ |.*\| )*carteiro {name}\b", output, re.MULTILINE), output


@pytest.mark.parametrize("arguments", [["--help"], ["sing"], ["ask", "--help"], ["doctor", "--no-ask"]])
def test_pipe_gets_no_colours(arguments):
    plain = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "PY_COLORS"}}
    called = subprocess.run(
        [CARTEIRO, *arguments], env=plain | POINTED | {"GITHUB_ACTIONS": ""}, cwd=ROOT, capture_output=True
    )
    assert called.stdout + called.stderr
    assert b"\x1b" not in called.stdout + called.stderr


def test_terminal_gets_no_colours_with_no_color():
    for no_color, found in (("", True), ("1", False)):
        ours, theirs = pty.openpty()
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        pointed = plain | POINTED | {"NO_COLOR": no_color}
        subprocess.run([CARTEIRO, "doctor", "--no-ask"], env=pointed, cwd=ROOT, stdout=theirs, stderr=theirs)
        os.close(theirs)
        output = b""
        with suppress(OSError):  # The reader end of this terminal is closed.
            while piece := os.read(ours, 65536):
                output += piece
        os.close(ours)
        assert b"fault" in output
        assert bool(re.search(rb"\x1b\[[\d;]*3[0-7]m", output)) == found


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "chat", "Hello."],
        ["batches"],
        ["dead", "list"],
        ["dead", "show", "0/1"],
        ["dead", "redrive"],
        ["status", "--once"],
        ["topics", "create"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_error_is_one_line_on_standard_error_even_with_json(arguments, monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.fullmatch(r"carteiro: .*\n", result.stderr)
    assert "\x1b" not in result.stderr


def test_findings_of_the_doctor_are_printed_unchanged(monkeypatch):
    message = "it needs torch: pip install 'carteiro[local]'"

    async def findings(files, *, ask):
        yield Finding("model [x]", "warning", message, message)

    monkeypatch.setattr("carteiro.cli.doctor.command._findings", findings)
    printed = CliRunner().invoke(app, ["doctor"]).stdout
    assert printed == f"warning  model [x]: {message}\n         {message}\n"


def test_reader_that_closes_the_pipe_early_causes_no_error():
    program = (
        "from carteiro.cli.json_lines import print_json\nfor n in range(9): print_json({'n': n})\nraise SystemExit(7)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    called = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (called.returncode, called.stderr) == (7, b"")


def test_summary_in_the_list_is_that_of_the_command() -> None:
    context = typer.Context(typer.main.get_command(app))
    for name, entry in COMMAND_ENTRIES.items():
        help_text = context.command.get_command(context, name).help
        assert help_text.startswith(entry.summary), name


def test_version_is_printed():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", CliRunner().invoke(app, ["--version"]).stdout)
