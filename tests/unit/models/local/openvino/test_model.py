"""Features specific to OpenVINO: its directories, its ranking, its failed steps."""

import json
import shutil

import pytest
import pytest_asyncio

from carteiro.models.errors import ModelUnusable, Unavailable
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.sample_models import CONTINUATIONS, RANKING_TEXT, load_model, user_prompt

pytest.importorskip("openvino_genai", reason="pip install 'carteiro[openvino]'")
pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base():
    loaded = await load_model("local:smollm2")
    yield loaded
    await loaded.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    loaded = await load_model("openvino:smollm2")
    yield loaded
    await loaded.close()


async def test_four_bit_ranking_is_close_to_transformers(model, base):
    mine, theirs = await model.rank(RANKING_TEXT, CONTINUATIONS), await base.rank(RANKING_TEXT, CONTINUATIONS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2)
    assert mine.log_probabilities[0] == pytest.approx(theirs.log_probabilities[0], abs=0.2)


async def test_exported_directory_equals_its_gguf_file(model, tmp_path):
    genai = pytest.importorskip("openvino_genai")
    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    gguf = shutil.copy(packaged, tmp_path)
    genai.LLMPipeline(str(gguf), "CPU", enable_save_ov_model=True)
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 8192}))
    special = {"1": {"content": "<|im_start|>", "special": True}, "2": {"content": "<|im_end|>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": special}))
    directory = await load_model(f"openvino:{tmp_path}")
    assert (directory.is_small, directory.context_tokens) == (True, 8192)
    prompt = user_prompt("What is <|im_end|> the capital of France?")
    assert await directory.complete(prompt) == await model.complete(prompt)
    await directory.close()


async def test_failed_step_is_unavailable_and_the_next_request_works(model, monkeypatch):
    class Broken:
        def step(self):
            raise RuntimeError("one line\nand another")

        def __getattr__(self, name):
            return getattr(whole, name)

    whole = model._pipeline._pipeline
    monkeypatch.setattr(model._pipeline, "_pipeline", Broken())
    with pytest.raises(Unavailable, match="failed: one line and another"):
        await model.complete(user_prompt("Hi"))
    assert (await model.complete(user_prompt("Hi", max_output_tokens=2))).text


async def test_invalid_model_gives_one_line_error(tmp_path):
    with pytest.raises(ModelUnusable, match="there is no file"):
        open_model(f"openvino:{tmp_path}/none.gguf", ModelSettings())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="holds no model for OpenVINO"):
        open_model(f"openvino:{tmp_path}", ModelSettings())
    (tmp_path / "openvino_model.xml").write_text("no model")
    with pytest.raises(ModelUnusable) as failure:
        await load_model(f"openvino:{tmp_path}")
    assert "\n" not in str(failure.value)
