"""Completions of the command line."""

from carteiro.cli.completion import task_names
from carteiro.schemas import REQUESTS


def test_tasks_are_completed_from_their_beginning() -> None:
    assert task_names("") == list(REQUESTS)
    assert task_names("su") == ["summarize"]
