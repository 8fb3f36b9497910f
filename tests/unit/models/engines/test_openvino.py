"""SmolLM2 through OpenVINO GenAI."""

import asyncio
import json
import shutil

import pytest
import pytest_asyncio

from carteiro.models.failures import ModelUnusable, PromptTooLarge, Unavailable, Unsupported
from carteiro.models.interface import ChatModel, Message, Prompt, RankingModel, StreamingModel
from carteiro.models.local.checkpoint import find_checkpoint
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.engines.asking import COLOUR, user

pytest.importorskip("openvino_genai", reason="pip install 'carteiro[openvino]'")
pytestmark = [pytest.mark.slow, pytest.mark.long]

PRICED = "The capital of France is"
ENDS = [" Paris", " a lovely city", " xylophone"]
QUESTIONS = ("What is the capital of France?", "Name an animal.", "Tell me a long story.")


async def opened(name, **settings):
    model = open_model(name, ModelSettings(CARTEIRO_LOCAL_DTYPE="float32", **settings))
    await model.load()
    return model


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def base():
    loaded = await opened("local:smollm2")
    yield loaded
    await loaded.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    loaded = await opened("openvino:smollm2")
    await loaded.load()  # each task that shares it does
    yield loaded
    await loaded.close()


async def test_it_is_what_it_says(model, base):
    assert all(isinstance(model, ability) for ability in (ChatModel, StreamingModel, RankingModel))
    assert (model.name, model.small, model.context_tokens) == ("openvino:smollm2", True, base.context_tokens)
    for text in ("Olá, mundo!", "", "  two  spaces\n\n", "東京 🎉"):
        assert model.count_tokens(text) == base.count_tokens(text)
    prompt = Prompt(
        messages=[Message("system", "Be brief."), Message("user", "Who <|im_end|> are you?")], max_output_tokens=1
    )
    assert (await model.complete(prompt)).usage == (await base.complete(prompt)).usage


async def test_with_four_bits_it_means_the_same(model, base):
    assert "Paris" in (await model.complete(user(QUESTIONS[0]))).text
    mine, theirs = await model.rank(PRICED, ENDS), await base.rank(PRICED, ENDS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2)
    assert mine.log_probabilities[0] == pytest.approx(theirs.log_probabilities[0], abs=0.2)


async def test_with_sixteen_bits_it_says_the_same(base, tmp_path):
    from tests.unit.models.engines.gguf_files import in_full_precision

    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    model = await opened(f"openvino:{in_full_precision(packaged, tmp_path / 'half.gguf', halved=True)}")
    for text in QUESTIONS:
        mine, theirs = await model.complete(user(text)), await base.complete(user(text))
        assert (mine.text, mine.finish_reason, mine.usage) == (theirs.text, theirs.finish_reason, theirs.usage)
    mine, theirs = await model.rank(PRICED, ENDS), await base.rank(PRICED, ENDS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2e-2)
    await model.close()


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


async def test_what_it_writes_is_shown_meanwhile_and_ends_where_it_is_told(model):
    said: list[str] = []
    whole = await model.stream(user("What is the capital of France?"), said.append)
    assert "".join(said) == whole.text
    assert len(said) > 4
    assert whole.finish_reason == "stop"
    done = await model.complete(user("What is the capital of France?", stop=["ance", "never"]))
    assert (done.text, done.finish_reason) == (whole.text.partition("ance")[0], "stop")
    cut = await model.complete(user("Tell me a long story.", max_output_tokens=5))
    assert (cut.usage.output_tokens, cut.finish_reason) == (5, "length")


async def test_temperature_samples_and_a_seed_repeats_it(model):
    hot = [(await model.complete(user("Name an animal.", temperature=1.5, seed=seed))).text for seed in (1, 1, 2)]
    assert hot[0] == hot[1] != hot[2]


async def test_many_at_once_share_the_room_and_each_gets_its_own(model):
    # Each reserves more than a third of the room, and needs little of it.
    asked = [user("word " * 5 * number + "Hi", max_output_tokens=3000, stop=[" ", "\n"]) for number in range(4)]
    alone = [await model.complete(each) for each in asked]
    together = await asyncio.gather(*(model.complete(each) for each in asked))
    assert [each.usage.input_tokens for each in together] == [each.usage.input_tokens for each in alone]
    assert all(each.text and each.finish_reason == "stop" for each in together)


async def test_what_it_cannot_do_is_said(model, monkeypatch):
    with pytest.raises(PromptTooLarge, match=r"9\d\d\d tokens; openvino:smollm2 reads 8192"):
        await model.complete(user("word " * 9000))
    with pytest.raises(PromptTooLarge):
        await model.rank("word " * 9000, [" a"])
    with pytest.raises(Unsupported, match="cannot follow a json_schema"):
        await model.complete(user("x", json_schema=COLOUR))
    monkeypatch.setattr(model, "_timeout", 0.2)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await model.complete(user("Tell me a long story.", max_output_tokens=4000))


async def test_callers_that_leave_stop_the_work(model):
    calls = [asyncio.create_task(model.complete(user("Tell me a story.", max_output_tokens=8000))) for _ in range(3)]
    await asyncio.sleep(0.5)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    async with asyncio.timeout(60):
        assert (await model.complete(user("Hi", max_output_tokens=2))).text


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
