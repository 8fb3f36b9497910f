"""What the engines have in common."""

import asyncio

import pytest

from carteiro.models.engines.cores import cores, threads
from carteiro.models.engines.pool import Pool
from carteiro.models.failures import ModelUnusable
from carteiro.models.likelihood import Step, steps
from carteiro.models.opening import open_model
from carteiro.models.pieces import Pieces
from carteiro.models.settings import ModelSettings


@pytest.mark.parametrize(
    "pieces", [["  ", "\n a", " b ", "", " c", "  \n", " "], ["a"], [" "], [], ["a ", "b"], [" a  b "]]
)
def test_pieces_together_are_the_text_without_the_white_space_around_it(pieces):
    said: list[str] = []
    shown = Pieces(said.append)
    for piece in pieces:
        shown.add(piece)
    assert "".join(said) == "".join(pieces).strip()
    assert all(said)


def test_steps_are_what_a_continuation_has_of_its_own():
    assert steps([1, 2], [[1, 2, 3], [1, 2, 4, 5]]) == [
        [Step((1, 2), 3)],
        [Step((1, 2), 4), Step((1, 2, 4), 5)],
    ]
    # A token that joins the end of the text and the beginning of the continuation is the continuation's.
    assert steps([1, 2], [[1, 9]]) == [[Step((1,), 9)]]


async def test_a_pool_serves_in_turn_and_no_more_than_it_has():
    pool = Pool(places=2, tokens=10)
    served: list[str] = []

    async def hold(name: str, tokens: int) -> None:
        await pool.take(tokens)
        served.append(name)

    await hold("a", 6)
    waiting = [asyncio.create_task(hold(name, tokens)) for name, tokens in (("large", 9), ("small", 1))]
    await asyncio.sleep(0)
    assert served == ["a"]  # the small one would fit, but the large one would never
    waiting[0].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert served == ["a", "small"]
    third = asyncio.create_task(hold("third", 1))
    await asyncio.sleep(0)
    assert served == ["a", "small"]  # there is room, but no place
    pool.give(6)
    await third
    assert served[-1] == "third"


async def test_a_turn_that_comes_while_its_caller_leaves_goes_to_the_next():
    pool = Pool(places=1, tokens=1)
    await pool.take(1)
    first, second = (asyncio.create_task(pool.take(1)) for _ in range(2))
    await asyncio.sleep(0)
    pool.give(1)
    first.cancel()
    async with asyncio.timeout(1):
        await second
    assert first.cancelled()


def test_threads_leave_a_core_and_keep_to_the_quota(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert (cores(tmp_path), threads(cgroup=tmp_path)) == (1, 1)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert threads(cgroup=tmp_path) == max(1, cores(tmp_path / "none") - 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert (threads(), threads(3)) == (7, 3)


def test_an_engine_that_is_not_installed_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    monkeypatch.delitem(__import__("sys").modules, "carteiro.models.engines.llama_server", raising=False)
    monkeypatch.delitem(__import__("sys").modules, "carteiro.models.engines.llamacpp", raising=False)
    with pytest.raises(ModelUnusable, match=r"llamacpp:x\.gguf needs xllamacpp: pip install 'carteiro\[llamacpp\]'"):
        open_model("llamacpp:x.gguf", ModelSettings())
