"""The tasks in the folders of services."""

import importlib.util
import sys
from pathlib import Path

import pytest

from carteiro.schemas import REQUESTS
from carteiro.tasks.discovery import ServicesMissing, find_task, find_tasks, task_names


def test_every_request_has_a_task() -> None:
    assert task_names() == list(REQUESTS)
    assert [task.request for task in find_tasks()] == list(REQUESTS.values())
    assert find_task("chat").name == "chat"


def test_folder_with_a_task_is_one_without_any_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("sing", "notes"):
        (tmp_path / "services" / folder).mkdir(parents=True)
    (tmp_path / "services/__init__.py").touch()
    (tmp_path / "services/sing/task.py").touch()
    (tmp_path / "services/notes/other.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "services")
    assert task_names() == ["sing"]


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ServicesMissing, match="run this in Carteiro's folder"):
        task_names()
