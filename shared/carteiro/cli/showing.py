"""A result as a person reads it."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

_SHOWN: dict[str, Callable[[Any], str]] = {
    "generate": lambda result: result.text,
    "translate": lambda result: result.text,
    "chat": lambda result: result.message.content,
    "summarize": lambda result: result.summary,
    "answer": lambda result: result.answer if result.found else "(the text does not say)",
    "sentiment": lambda result: (
        f"{result.label}  (" + ", ".join(f"{label} {score:.0%}" for label, score in result.scores.items()) + ")"
    ),
}


def shown(task: str, result: BaseModel) -> str:
    """The result's text; JSON for a task that says nothing of how it is shown."""
    show = _SHOWN.get(task)
    return show(result) if show else result.model_dump_json(indent=2)
