"""Workers by name."""

import pytest

from carteiro.tasks.discovery import task_names
from services import app


@pytest.fixture(autouse=True)
def made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "worker", lambda *tasks, batch=False: ([task.name for task in tasks], batch))


@pytest.mark.parametrize("name", task_names())
def test_name_of_a_task_is_its_worker(name: str) -> None:
    assert getattr(app, name) == ([name], False)


def test_batch_is_the_worker_of_the_deferred_requests_of_all_tasks() -> None:
    assert app.batch == (task_names(), True)


def test_unknown_name_lists_the_tasks() -> None:
    with pytest.raises(AttributeError, match="there is no task 'sing'; there are answer, chat, "):
        app.sing  # noqa: B018
