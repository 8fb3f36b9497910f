"""The objects that the garbage collector visits in a loaded worker."""

import gc
from collections.abc import Iterator

import pytest

from carteiro.worker.garbage_collection import exempt_loaded_objects
from tests.unit.worker.test_worker import make_worker


@pytest.fixture(autouse=True)
def _visit_all_objects_again() -> Iterator[None]:
    yield
    gc.unfreeze()


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
    parts = make_worker()._parts
    await parts.load_models()
    assert not _is_visited(parts)
    await parts.close()
    assert _is_visited(parts)
