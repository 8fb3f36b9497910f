"""What OpenVINO alone does: its directories, its ranking, its steps that fail."""

import json
import shutil

import pytest
import pytest_asyncio

from carteiro.models.failures import ModelUnusable, Unavailable
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.asking import ENDS, PRICED, opened, user

pytest.importorskip("openvino_genai", reason="pip install 'carteiro[openvino]'")
pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base():
    loaded = await opened("local:smollm2")
    yield loaded
    await loaded.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    loaded = await opened("openvino:smollm2")
    yield loaded
    await loaded.close()


async def test_with_four_bits_it_ranks_as_the_base_does(model, base):
    mine, theirs = await model.rank(PRICED, ENDS), await base.rank(PRICED, ENDS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2)
    assert mine.log_probabilities[0] == pytest.approx(theirs.log_probabilities[0], abs=0.2)


async def test_a_directory_is_the_same_as_the_file_that_it_was_made_from(model, tmp_path):
    genai = pytest.importorskip("openvino_genai")
    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    gguf = shutil.copy(packaged, tmp_path)
    genai.LLMPipeline(str(gguf), "CPU", enable_save_ov_model=True)
    (tmp_path / "config.json").write_text(json.dumps({"max_position_embeddings": 8192}))
    special = {"1": {"content": "<|im_start|>", "special": True}, "2": {"content": "<|im_end|>", "special": True}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": special}))
    directory = await opened(f"openvino:{tmp_path}")
    assert (directory.small, directory.context_tokens) == (True, 8192)
    asked = user("What is <|im_end|> the capital of France?")
    assert await directory.complete(asked) == await model.complete(asked)
    await directory.close()


async def test_a_step_that_fails_is_a_failure_and_the_next_request_is_served(model, monkeypatch):
    class Broken:
        def step(self):
            raise RuntimeError("one line\nand another")

        def __getattr__(self, name):
            return getattr(whole, name)

    whole = model._pipeline._pipeline
    monkeypatch.setattr(model._pipeline, "_pipeline", Broken())
    with pytest.raises(Unavailable, match="failed: one line and another"):
        await model.complete(user("Hi"))
    assert (await model.complete(user("Hi", max_output_tokens=2))).text


async def test_what_is_no_model_is_said_in_one_line(tmp_path):
    with pytest.raises(ModelUnusable, match="there is no file"):
        open_model(f"openvino:{tmp_path}/none.gguf", ModelSettings())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelUnusable, match="holds no model for OpenVINO"):
        open_model(f"openvino:{tmp_path}", ModelSettings())
    (tmp_path / "openvino_model.xml").write_text("no model")
    with pytest.raises(ModelUnusable) as failure:
        await opened(f"openvino:{tmp_path}")
    assert "\n" not in str(failure.value)
