"""The objects that the garbage collector visits in a loaded worker, and its intervals."""

import gc
from collections.abc import Iterator
from unittest.mock import AsyncMock

import pytest

from carteiro.worker.garbage_collection import exempt_loaded_objects, restore_collection
from tests.unit.worker.test_worker import make_worker


@pytest.fixture(autouse=True)
def _collect_as_before() -> Iterator[None]:
    yield
    restore_collection()


def _is_visited(wanted: object) -> bool:
    return any(each is wanted for each in gc.get_objects())


def test_loaded_objects_are_not_visited_and_later_ones_are() -> None:
    loaded: list[object] = []
    assert _is_visited(loaded)
    exempt_loaded_objects()
    later: list[object] = []
    assert not _is_visited(loaded)
    assert _is_visited(later)


async def test_worker_exempts_its_parts_from_their_loading_to_their_end() -> None:
    parts, default = make_worker(max_in_flight=100)._parts, gc.get_threshold()
    await parts.load_models()
    assert not _is_visited(parts)
    assert gc.get_threshold() == (25_000, *default[1:])
    await parts.close()
    assert _is_visited(parts)
    assert gc.get_threshold() == default


async def test_end_of_a_process_visits_no_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = make_worker(http_port=0)
    monkeypatch.setattr(worker._http, "serve", AsyncMock())
    await worker.run()
    assert not _is_visited(worker)


async def test_worker_of_a_local_model_collects_as_often_as_by_default() -> None:
    parts, default = make_worker()._parts, gc.get_threshold()
    parts._models = {"local:fake": AsyncMock(remote=False)}
    await parts.load_models()
    assert gc.get_threshold() == default
