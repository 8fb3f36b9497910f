"""What llama.cpp alone does: its server, its grammar, its ranking."""

import signal
from pathlib import Path

import pytest
import pytest_asyncio

from carteiro.models.failures import ModelUnusable
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.asking import ENDS, PRICED, opened

pytest.importorskip("xllamacpp", reason="pip install 'carteiro[llamacpp]'")
pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    loaded = await opened("llamacpp:smollm2")
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    directory = Path(loaded._server._directory)
    assert directory.stat().st_mode & 0o077 == 0  # who reaches the socket in it could use the model
    yield loaded
    await loaded.close()
    assert not directory.exists()


async def test_ranking_is_near_the_base_s(model):
    ranking = await model.rank(PRICED, ENDS)
    # The weights have four bits, and llama.cpp rounds what it multiplies them with to eight.
    assert ranking.log_probabilities == pytest.approx([-0.26, -15.5, -23.7], abs=0.5)


async def test_what_is_no_model_is_said_in_one_line(tmp_path):
    with pytest.raises(ModelUnusable, match="there is no file"):
        open_model(f"llamacpp:{tmp_path}/none.gguf", ModelSettings())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="no GGUF file"):
        open_model(f"llamacpp:{tmp_path}", ModelSettings())
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelUnusable, match=r"damaged\.gguf cannot be loaded") as failure:
        await opened(f"llamacpp:{damaged}")
    assert "\n" not in str(failure.value)
