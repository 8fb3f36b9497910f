"""Fixtures: tiny models of each family, trained and loaded."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.local.transformers.factory import create_model
from tests.unit.models.local import training

ENCODERS = ("bert", "roberta", "xlnet")


@pytest.fixture(scope="session")
def made(once: Callable[..., Path]) -> Callable[..., Path]:
    """Function that returns the directory of a trained model: `made("classifier", "bert")`, `made("t5")`."""
    return lambda kind, *family: once(getattr(training, kind), *family)


@pytest_asyncio.fixture(loop_scope="session")
async def load() -> AsyncIterator[Callable[..., Any]]:
    """Function that loads the model of a directory: `await load(directory)`."""
    opened: list[Any] = []

    async def open_and_load(directory: Path) -> Any:
        model = create_model(f"local:{directory.name}", find_checkpoint(str(directory)), 120)
        opened.append(model)
        await model.load()
        return model

    yield open_and_load
    for model in opened:
        await model.close()
