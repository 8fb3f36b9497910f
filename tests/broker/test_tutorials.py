"""The tutorials for developers, followed word for word in a copy of the project."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker.worker_process import ROOT, WorkerProcess
from tests.conftest import eventually
from tests.provider import Provider

pytestmark = pytest.mark.timeout(240)

_FILE = re.compile(r"^`([\w./]+)`:\n\n((?:    .*\n|\n)+)", re.MULTILINE)
"""A file's path in its own line, then its text, indented."""
_COMMAND = re.compile(r"^    ((?:CARTEIRO_\w+=\S+ )?(?:carteiro|faststream) .*)$", re.MULTILINE)


CLIENT = """
import asyncio, os
from carteiro.client import Carteiro
from carteiro.schemas.lookup import LookupRequest

async def main():
    async with Carteiro(os.environ["CARTEIRO_BOOTSTRAP_SERVERS"], topic_prefix="tutorial") as carteiro:
        print((await carteiro.ask(LookupRequest(text="Maria.", wanted=["name"]))).result.found)

asyncio.run(main())
"""


class ProjectCopy:
    """A copy of the project in which tutorials are followed."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        for name in ("shared", "services", "examples"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        path = os.pathsep.join([str(folder / "shared"), str(folder)])
        self.settings = settings | {"PYTHONPATH": path}

    def write_files(self, page: str) -> list[str]:
        """Write the files that a page shows, and return their paths."""
        found = _FILE.findall(page)
        for name, text in found:
            file = self.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(re.sub(r"^    ", "", text, flags=re.MULTILINE).rstrip("\n") + "\n")
        return [name for name, _ in found]

    def carteiro(self, command: str) -> str:
        """Run a command and return its output."""
        words = re.findall(r'"[^"]*"|\S+', command)
        code = "from carteiro.cli.main import run; run()"
        return self.run_python(code, *(word.strip('"') for word in words[1:]))

    def run_python(self, code: str, *arguments: str) -> str:
        """Run a program and return its output."""
        command = [sys.executable, "-c", code, *arguments]
        environment = {**os.environ, **self.settings}
        run = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return run.stdout

    def checked(self) -> str:
        """Return the output of ruff for the copy."""
        config = ROOT / "pyproject.toml"
        ruff = Path(sys.executable).with_name("ruff")
        commands = [
            ["check", "--config", config, "shared", "services"],
            ["format", "--check", "--config", config, "shared"],
        ]
        runs = [subprocess.run([ruff, *each], cwd=self.folder, capture_output=True, text=True) for each in commands]
        return "".join(run.stdout for run in runs if run.returncode)


@pytest.fixture
def copy(tmp_path, broker, provider) -> Iterator[ProjectCopy]:
    settings = {
        "CARTEIRO_BOOTSTRAP_SERVERS": broker.address,
        "CARTEIRO_TOPIC_PREFIX": "tutorial",
        "CARTEIRO_MODEL": f"{provider.url}#echo",
    }
    return ProjectCopy(tmp_path, settings)


def page(name: str) -> str:
    return (ROOT / "docs" / "use" / name).read_text()


async def test_two_files_are_a_task_as_the_page_says(copy: ProjectCopy, provider: Provider) -> None:
    text = page("new-task.md")
    topics, start, ask = _COMMAND.findall(text)
    assert copy.write_files(text) == ["shared/carteiro/schemas/lookup.py", "services/lookup/task.py"]
    assert copy.checked() == ""
    # A port other than that of `carteiro up`, which brings the broker.
    assert start == "CARTEIRO_HTTP_PORT=8081 faststream run services.app:lookup"
    assert "llm.lookup.replies" in copy.carteiro(topics).replace("tutorial.", "llm.")
    with WorkerProcess("lookup", cwd=copy.folder, CARTEIRO_HTTP_FORM="true", **copy.settings) as worker:
        await eventually(worker.ready)
        provider.queue_completion('{"name": 34}')
        provider.queue_completion('{"name": "Maria", "city": "Porto"}')
        assert await asyncio.to_thread(copy.carteiro, ask) == "name: Maria\ncity: Porto\n"
        provider.queue_completion('{"name": "Maria"}')
        assert await asyncio.to_thread(copy.run_python, CLIENT) == "{'name': 'Maria'}\n"
        status, form = worker.get("/")
    assert status == 200
    assert '<fieldset data-task="lookup"' in form
    assert 'data-field="wanted"' in form


async def test_new_kind_of_model_works_as_the_page_says(copy: ProjectCopy):
    text = page("new-model.md")
    copy.write_files(text)
    assert copy.checked() == ""
    start, ask = _COMMAND.findall(text)
    setting, value = start.split()[0].split("=")
    with WorkerProcess("generate", cwd=copy.folder, **copy.settings | {setting: value}) as worker:
        await eventually(worker.ready)
        assert copy.carteiro(ask).strip() == "GOOD MORNING."
