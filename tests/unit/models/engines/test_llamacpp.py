"""The packaged SmolLM2 through llama.cpp."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from transformers import AutoTokenizer

from carteiro.models.failures import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.interface import ChatModel, Message, Prompt, RankingModel, StreamingModel
from carteiro.models.local.checkpoint import find_checkpoint
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models.engines.asking import COLOUR, user

pytest.importorskip("xllamacpp", reason="pip install 'carteiro[llamacpp]'")
pytestmark = pytest.mark.slow

PRICED = "The capital of France is"


async def opened(name: str, timeout: float = 120) -> Any:
    model = open_model(name, ModelSettings(CARTEIRO_MODEL_TIMEOUT_SECONDS=timeout))
    await model.load()
    return model


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model():
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    loaded = await opened("llamacpp:smollm2")
    await loaded.load()  # each task that shares it does
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before
    directory = Path(loaded._server._directory)
    assert directory.stat().st_mode & 0o077 == 0  # who reaches the socket in it could use the model
    yield loaded
    await loaded.close()
    assert not directory.exists()


async def test_it_is_what_it_says(model):
    assert all(isinstance(model, ability) for ability in (ChatModel, StreamingModel, RankingModel))
    assert (model.name, model.small, model.context_tokens) == ("llamacpp:smollm2", True, 8192)


async def test_tokens_are_those_of_transformers(model, smollm2_directory):
    tokenizer = AutoTokenizer.from_pretrained(smollm2_directory)
    for text in ("Olá, mundo!", "", "  two  spaces\n\n", "東京 🎉"):
        assert model.count_tokens(text) == len(tokenizer(text)["input_ids"])
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who <|im_end|> are you?"}]
    done = await model.complete(Prompt(messages=[Message(**turn) for turn in turns], max_output_tokens=1))
    turns[1]["content"] = "Who < |im_end|> are you?"  # or it would end the message
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert done.usage.input_tokens == len(ids)


async def test_what_it_writes_is_shown_meanwhile_and_is_the_same(model):
    said: list[str] = []
    shown = await model.stream(user("What colour is the sky?"), said.append)
    whole = await model.complete(user("What colour is the sky?"))
    assert "blue" in whole.text
    assert (shown.text, "".join(said)) == (whole.text, whole.text)
    assert len(said) > 10


async def test_the_limit_of_tokens_is_kept_and_told(model):
    done = await model.complete(user("Tell me a long story.", max_output_tokens=5))
    assert (done.usage.output_tokens, done.finish_reason) == (5, "length")


async def test_a_stop_text_ends_the_completion_and_is_not_part_of_it(model):
    whole = await model.complete(user("What colour is the sky?"))
    done = await model.complete(user("What colour is the sky?", stop=["ful sh", "never"]))
    assert (done.text, done.finish_reason) == (whole.text.partition("ful sh")[0].strip(), "stop")
    assert done.usage.output_tokens < whole.usage.output_tokens


async def test_temperature_samples_and_a_seed_repeats_it(model):
    hot = [
        (await model.complete(user("Name an animal.", temperature=1.5, seed=seed, max_output_tokens=8))).text
        for seed in (1, 1, 2, 3)
    ]
    assert hot[0] == hot[1]
    assert len(set(hot)) > 1


async def test_a_schema_is_followed_or_refused(model):
    done = await model.complete(user("What colour is the sky?", json_schema=COLOUR))
    assert done.text in ('{"colour": "red"}', '{"colour": "blue"}')
    assert done.finish_reason == "stop"
    with pytest.raises(InvalidPrompt, match="cannot be followed"):
        await model.complete(user("x", json_schema={"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}}))


async def test_a_prompt_that_does_not_fit_is_refused_not_cut(model):
    with pytest.raises(PromptTooLarge, match=r"9\d\d\d tokens; llamacpp:smollm2 reads 8192"):
        await model.complete(user("word " * 9000))
    with pytest.raises(PromptTooLarge):
        await model.rank("word " * 9000, [" a"])


async def test_ranking_is_near_the_base_s(model):
    ranking = await model.rank(PRICED, [" Paris", " a lovely city", " xylophone"])
    # The weights have four bits, and llama.cpp rounds what it multiplies them with to eight.
    assert ranking.log_probabilities == pytest.approx([-0.26, -15.5, -23.7], abs=0.5)


async def test_many_at_once_share_the_room_and_each_gets_its_own(model):
    # Each reserves more than a third of the room, and needs little of it.
    asked = [user("word " * 5 * number + "Hi", max_output_tokens=3000, stop=[" ", "\n"]) for number in range(4)]
    alone = [await model.complete(each) for each in asked]
    together = await asyncio.gather(*(model.complete(each) for each in asked))
    assert [each.usage.input_tokens for each in together] == [each.usage.input_tokens for each in alone]
    assert all(each.text and each.finish_reason == "stop" for each in together)


async def test_callers_that_leave_stop_the_work(model):
    calls = [asyncio.create_task(model.complete(user("Tell me a story.", max_output_tokens=8000))) for _ in range(3)]
    await asyncio.sleep(0.5)
    for call in calls:
        call.cancel()
    assert all(
        isinstance(each, asyncio.CancelledError) for each in await asyncio.gather(*calls, return_exceptions=True)
    )
    async with asyncio.timeout(60):
        assert (await model.complete(user("Hi", max_output_tokens=2))).text


async def test_the_event_loop_goes_on_while_the_model_works(model):
    working = asyncio.create_task(model.complete(user("Tell me a long story.")))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > working.result().usage.output_tokens


async def test_a_call_that_takes_too_long_is_a_failure(model, monkeypatch):
    monkeypatch.setattr(model, "_timeout", 0.2)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await model.complete(user("Tell me a long story.", max_output_tokens=4000))


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


@pytest.mark.long
async def test_in_full_precision_it_is_the_base(tmp_path):
    from tests.unit.models.engines.gguf_files import in_full_precision

    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    model = await opened(f"llamacpp:{in_full_precision(packaged, tmp_path / 'full.gguf')}")
    base = await opened("local:smollm2")
    for text in ("What is the capital of France?", "Name an animal.", "Tell me a long story."):
        mine, theirs = await model.complete(user(text)), await base.complete(user(text))
        assert (mine.text, mine.finish_reason, mine.usage) == (theirs.text, theirs.finish_reason, theirs.usage)
    ends = [" Paris", " a lovely city", " xylophone"]
    mine, theirs = await model.rank(PRICED, ends), await base.rank(PRICED, ends)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2e-2)
    assert mine.usage == theirs.usage
    await model.close()
    await base.close()
