"""The hint at a better model names only the tasks that the packaged model serves."""

import pytest

from carteiro.cli.better_model import better_model_hint
from carteiro.settings.worker import WorkerSettings


@pytest.mark.parametrize(
    ("variables", "opening"),
    [
        ({}, "chat, extract and generate are written by SmolLM2"),
        ({"CARTEIRO_GENERATE_MODEL": "loud:any"}, "chat and extract are written by SmolLM2"),
        ({"CARTEIRO_MODEL": "openai:gpt-4.1-mini"}, None),
    ],
)
def test_hint_names_the_tasks_of_the_packaged_model(monkeypatch, variables, opening):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    hint = better_model_hint(WorkerSettings(), "make up")
    assert hint is None if opening is None else hint.startswith(opening)
