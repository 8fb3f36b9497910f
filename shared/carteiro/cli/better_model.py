"""Hint that names the packaged chat model's limits, and the ways to get a better model."""

from carteiro.cli.field_options import join_names
from carteiro.settings.worker import WorkerSettings, task_models
from carteiro.tasks.discovery import find_tasks

_PACKAGED_MODEL = "local:smollm2"
_GENERATING_TASKS = ("chat", "extract", "generate")


def better_model_hint(settings: WorkerSettings, command: str) -> str | None:
    """Return the hint, with `command` (such as `make up`) in it; None if the settings name another model."""
    writers = [
        task.name
        for task in find_tasks()
        if task.name in _GENERATING_TASKS and task_models(task, settings)[0] == _PACKAGED_MODEL
    ]
    if not writers:
        return None
    subject = f"{join_names(writers)} {'are' if len(writers) > 1 else 'is'}"
    return (
        f"{subject} written by SmolLM2-135M: a toy that runs anywhere, and is often wrong. For real work, one line:\n"
        f"  CARTEIRO_MODEL=ollama:qwen3:4b {command}                                 (a model of your Ollama)\n"
        f"  CARTEIRO_MODEL=openai:gpt-4.1-mini OPENAI_API_KEY=... {command}          (paid: OpenAI bills your key)\n"
        f"  CARTEIRO_MODEL=local:Qwen/Qwen2.5-0.5B-Instruct {command}                (1 GB, from the Hugging Face hub)"
    )
