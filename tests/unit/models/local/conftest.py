"""Tiny models of each family, made and trained once a session."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.local.checkpoint import find_checkpoint
from carteiro.models.local.choosing import choose_model
from tests.unit.models.local import training

ENCODERS = ("bert", "roberta", "xlnet")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """`made("classifier", "bert")`: the directory of a trained model, made by that function of `training`."""
    known: dict[tuple[str, ...], Path] = {}

    def make(kind: str, *family: str) -> Path:
        key = (kind, *family)
        if key not in known:
            known[key] = getattr(training, kind)(*family, tmp_path_factory.mktemp("-".join(key)))
        return known[key]

    return make


@pytest_asyncio.fixture(loop_scope="session")
async def load() -> AsyncIterator[Callable[..., Any]]:
    """`await load(directory)`: the loaded model."""
    opened: list[Any] = []

    async def open_and_load(directory: Path) -> Any:
        model = choose_model(f"local:{directory.name}", find_checkpoint(str(directory)), 120)
        opened.append(model)
        await model.load()
        return model

    yield open_and_load
    for model in opened:
        await model.close()
