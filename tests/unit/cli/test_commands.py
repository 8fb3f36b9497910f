"""What all commands have in common."""

import json
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

from carteiro.cli.doctor.finding import Finding
from carteiro.cli.main import app
from carteiro.cli.new.templates import FILES

ROOT = Path(__file__).parents[3]
CARTEIRO = str(Path(sys.executable).with_name("carteiro"))
WITHOUT_JSON = {"asyncapi": "what it prints is JSON"}


def commands(group: Any, *names: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *names, name)
        else:
            yield " ".join([*names, name]), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_they_are_all_found():
    assert {"ask", "demo", "dead redrive", "new task", "topics create"} <= set(COMMANDS)
    assert set(WITHOUT_JSON) <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_prints_json_by_the_same_option(name):
    found = {option.help for option in COMMANDS[name].params if "--json" in option.opts}
    wanted = {"Print one JSON object a line; what is for people goes to standard error."}
    assert found == (set() if name in WITHOUT_JSON else wanted)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_has_an_example_in_its_help(name):
    said = CliRunner().invoke(app, [*name.split(), "--help"]).stdout
    assert re.search(rf"^ *(\S+=\S+ |.*\| )*carteiro {name}\b", said, re.MULTILINE), said


@pytest.mark.parametrize("arguments", [["--help"], ["sing"], ["ask", "--help"], ["doctor", "--no-ask"]])
def test_a_pipe_gets_no_colours(arguments):
    plain = {name: value for name, value in os.environ.items() if name not in {"FORCE_COLOR", "PY_COLORS"}}
    pointed = {"CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:9", "TERM": "xterm-256color", "GITHUB_ACTIONS": ""}
    called = subprocess.run([CARTEIRO, *arguments], env=plain | pointed, cwd=ROOT, capture_output=True)
    assert called.stdout + called.stderr
    assert b"\x1b" not in called.stdout + called.stderr


def test_a_terminal_gets_no_colours_with_no_color():
    for no_color, found in (("", True), ("1", False)):
        ours, theirs = pty.openpty()
        plain = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        pointed = {"CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:9", "TERM": "xterm-256color", "NO_COLOR": no_color}
        subprocess.run([CARTEIRO, "doctor", "--no-ask"], env=plain | pointed, cwd=ROOT, stdout=theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        with suppress(OSError):  # a terminal that nobody holds any more
            while piece := os.read(ours, 65536):
                said += piece
        os.close(ours)
        assert b"fault" in said
        assert bool(re.search(rb"\x1b\[[\d;]*3[0-7]m", said)) == found


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
def test_an_error_is_a_line_on_standard_error_with_json_too(arguments, monkeypatch):
    monkeypatch.setenv("CARTEIRO_BOOTSTRAP_SERVERS", "127.0.0.1:9")
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert re.fullmatch(r"carteiro: .*\n", result.stderr)
    assert "\x1b" not in result.stderr


def test_what_doctor_says_is_printed_as_it_is(monkeypatch):
    said = "it needs torch: pip install 'carteiro[local]'"

    async def findings(*, ask):
        yield Finding("model [x]", "warning", said, said)

    monkeypatch.setattr("carteiro.cli.doctor.command._findings", findings)
    printed = CliRunner().invoke(app, ["doctor"]).stdout
    assert printed == f"warning  model [x]: {said}\n         {said}\n"


def test_a_reader_that_has_had_enough_stops_nothing():
    program = (
        "from carteiro.cli.json_lines import print_json\nfor n in range(9): print_json({'n': n})\nraise SystemExit(7)"
    )
    reading, writing = os.pipe()
    os.close(reading)
    called = subprocess.run([sys.executable, "-c", program], stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (called.returncode, called.stderr) == (7, b"")


def test_a_new_task_says_in_json_what_was_written(monkeypatch, tmp_path):
    schemas = tmp_path / "shared/carteiro/schemas"
    schemas.mkdir(parents=True)
    ours = Path(sys.modules["carteiro.schemas"].__file__).read_text()
    (schemas / "__init__.py").write_text(ours)
    for folder in {Path(path.replace("@name", "extract")).parent for path in FILES}:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["new", "task", "extract", "--json"])
    assert (result.exit_code, result.stderr) == (0, "")
    (line,) = result.stdout.splitlines()
    told = json.loads(line)
    assert all((tmp_path / path).is_file() for path in told["wrote"])
    assert (told["task"], told["changed"]) == ("extract", "shared/carteiro/schemas/__init__.py")


def test_the_version():
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", CliRunner().invoke(app, ["--version"]).stdout)
