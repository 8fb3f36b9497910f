"""The pages for developers, carried out word for word in a copy of the project."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.processes import ROOT, WorkerProcess
from tests.conftest import eventually

pytestmark = pytest.mark.timeout(240)

_FILE = re.compile(r"^`([\w./]+)`:\n\n((?:    .*\n|\n)+)", re.MULTILINE)
"""A file's path in a line of its own, and its text, indented."""
_COMMAND = re.compile(r"^    ((?:CARTEIRO_\w+=\S+ )?(?:carteiro|faststream) .*)$", re.MULTILINE)


class Copy:
    """The project in another folder, in which pages are carried out."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        for name in ("shared", "services", "examples"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        path = os.pathsep.join([str(folder / "shared"), str(folder)])
        self.settings = settings | {"PYTHONPATH": path}

    def write_files(self, page: str) -> list[str]:
        """Write the files that a page shows; their paths."""
        found = _FILE.findall(page)
        for name, text in found:
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(re.sub(r"^    ", "", text, flags=re.MULTILINE).rstrip("\n") + "\n")
        return [name for name, _ in found]

    def carteiro(self, command: str) -> str:
        """What a command prints."""
        words = re.findall(r'"[^"]*"|\S+', command)
        code = "from carteiro.cli.main import run; run()"
        run = subprocess.run(
            [sys.executable, "-c", code, *(word.strip('"') for word in words[1:])],
            cwd=self.folder,
            env={**os.environ, **self.settings},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def checked(self) -> str:
        """What ruff says of the copy."""
        config = ROOT / "pyproject.toml"
        ruff = Path(sys.executable).with_name("ruff")
        commands = [
            ["check", "--config", config, "shared", "services"],
            ["format", "--check", "--config", config, "shared"],
        ]
        runs = [subprocess.run([ruff, *each], cwd=self.folder, capture_output=True, text=True) for each in commands]
        return "".join(run.stdout for run in runs if run.returncode)


@pytest.fixture
def copy(tmp_path, broker, provider) -> Iterator[Copy]:
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
        "CARTEIRO_TOPIC_PREFIX": "tutorial",
        "CARTEIRO_MODEL": f"{provider.url}#echo",
    }
    return Copy(tmp_path, settings)


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


async def test_a_new_task_as_the_page_says(copy: Copy, provider):
    text = page("new-task.md")
    new, start, ask = _COMMAND.findall(text)
    wrote = copy.carteiro(new)
    assert "wrote    services/extract/task.py" in wrote
    assert copy.checked() == ""

    # What it wrote is a task that works, before anything is changed.
    with WorkerProcess("extract", cwd=copy.folder, **copy.settings) as worker:
        await eventually(worker.ready)
        provider.say("THE TRAIN LEAVES AT NINE.")
        assert "THE TRAIN LEAVES AT NINE." in await asyncio.to_thread(copy.carteiro, ask)

    assert copy.write_files(text) == [
        "shared/carteiro/schemas/extract.py",
        "services/extract/task.py",
        "examples/extract.json",
    ]
    assert copy.checked() == ""
    assert start == "faststream run services.extract.app:app"
    with WorkerProcess("extract", cwd=copy.folder, **copy.settings) as worker:
        await eventually(worker.ready)
        provider.say('{"age": 34}')
        provider.say('{"name": "Maria", "age": 34}')
        assert json.loads(await asyncio.to_thread(copy.carteiro, ask)) == {"data": {"name": "Maria", "age": 34}}


async def test_a_new_kind_of_model_as_the_page_says(copy: Copy):
    text = page("new-model.md")
    copy.write_files(text)
    (line,) = re.findall(r"^    (_ENGINES = .*)$", text, re.MULTILINE)
    opening = copy.folder / "shared/carteiro/models/opening.py"
    changed, count = re.subn(r"^_ENGINES = .*$", line, opening.read_text(), flags=re.MULTILINE)
    assert count == 1
    opening.write_text(changed)
    assert copy.checked() == ""
    start, ask = _COMMAND.findall(text)
    setting, value = start.split()[0].split("=")
    with WorkerProcess("generate", cwd=copy.folder, **copy.settings | {setting: value}) as worker:
        await eventually(worker.ready)
        assert copy.carteiro(ask).strip() == "GOOD MORNING."


@pytest.mark.parametrize("name", ["chat", "waiting", "Extract", "two words", "class", "../x", ""])
def test_a_name_that_cannot_be_is_turned_down(copy: Copy, name: str):
    with pytest.raises(AssertionError, match="carteiro: "):
        copy.carteiro(f'carteiro new task "{name}"')
