"""Features specific to llama.cpp: its server, its ranking, its errors."""

import signal
from pathlib import Path

import pytest
import pytest_asyncio

from carteiro.models.errors import ModelUnusable
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.sample_models import CONTINUATIONS, RANKING_TEXT, load_model

pytest.importorskip("xllamacpp", reason="pip install 'carteiro[llamacpp]'")
pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    loaded = await load_model("llamacpp:smollm2")
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    directory = Path(loaded._server._directory)
    assert directory.stat().st_mode & 0o077 == 0  # a user who reaches the socket could use the model
    yield loaded
    await loaded.close()
    assert not directory.exists()


async def test_ranking_is_close_to_transformers(model):
    ranking = await model.rank(RANKING_TEXT, CONTINUATIONS)
    # The weights have 4 bits, and llama.cpp rounds the activations to 8 bits.
    assert ranking.log_probabilities == pytest.approx([-0.26, -15.5, -23.7], abs=0.5)


async def test_invalid_model_gives_one_line_error(tmp_path):
    with pytest.raises(ModelUnusable, match="there is no file"):
        open_model(f"llamacpp:{tmp_path}/none.gguf", ModelSettings())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="no GGUF file"):
        open_model(f"llamacpp:{tmp_path}", ModelSettings())
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelUnusable, match=r"damaged\.gguf cannot be loaded") as failure:
        await load_model(f"llamacpp:{damaged}")
    assert "\n" not in str(failure.value)
