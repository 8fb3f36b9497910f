"""What every model of this process that completes prompts has to do, whatever runs it."""

import asyncio

import pytest
import pytest_asyncio
from transformers import AutoTokenizer

from carteiro.models.failures import InvalidPrompt, PromptTooLarge, Unavailable, Unsupported
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.interface import ChatModel, Message, Prompt, RankingModel, StreamingModel
from tests.unit.models import untrained
from tests.unit.models.asking import COLOUR, ENDS, PRICED, opened, user

pytestmark = pytest.mark.slow

NEEDS = {"local": "torch", "llamacpp": "xllamacpp", "openvino": "openvino_genai", "tensorflow": "keras_hub"}
OPENVINO = pytest.param("openvino", marks=pytest.mark.long)
SMOLLM2 = ["local", "llamacpp", OPENVINO]
"""What runs the packaged model; TensorFlow runs a tiny GPT-2."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[*SMOLLM2, "tensorflow"])
async def model(request, tmp_path_factory):
    engine = request.param
    pytest.importorskip(NEEDS[engine], reason=f"pip install 'carteiro[{engine}]'")
    what = untrained.gpt2(tmp_path_factory.mktemp("gpt2")) if engine == "tensorflow" else "smollm2"
    loaded = await opened(f"{engine}:{what}")
    await loaded.load()  # each task that shares it does
    yield loaded
    await loaded.close()


async def test_it_completes_shows_and_ranks(model):
    assert all(isinstance(model, ability) for ability in (ChatModel, StreamingModel, RankingModel))
    assert model.small


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_tokens_are_those_of_transformers(model, smollm2_directory):
    assert model.context_tokens == 8192
    tokenizer = AutoTokenizer.from_pretrained(smollm2_directory)
    for text in ("Olá, mundo!", "", "  two  spaces\n\n", "東京 🎉"):
        assert model.count_tokens(text) == len(tokenizer(text)["input_ids"])
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who <|im_end|> are you?"}]
    done = await model.complete(Prompt(messages=[Message(**turn) for turn in turns], max_output_tokens=1))
    turns[1]["content"] = "Who < |im_end|> are you?"  # or it would end the message
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert done.usage.input_tokens == len(ids)


@pytest.mark.parametrize("model", ["local", OPENVINO], indirect=True)
async def test_it_ends_by_itself(model):
    done = await model.complete(user("What is the capital of France?"))
    assert "Paris" in done.text
    assert done.finish_reason == "stop"


async def test_what_it_writes_is_shown_meanwhile_and_is_the_same(model):
    said: list[str] = []
    shown = await model.stream(user("What colour is the sky?"), said.append)
    whole = await model.complete(user("What colour is the sky?"))
    assert shown == whole
    assert "".join(said) == whole.text
    assert len(said) > 4


async def test_the_limit_of_tokens_is_kept_and_told(model):
    done = await model.complete(user("Tell me a long story.", max_output_tokens=5))
    assert (done.usage.output_tokens, done.finish_reason) == (5, "length")


async def test_a_stop_text_ends_the_completion_and_is_not_part_of_it(model):
    whole = await model.complete(user("What colour is the sky?"))
    stop = whole.text[6:11]
    done = await model.complete(user("What colour is the sky?", stop=[stop, "never"]))
    assert (done.text, done.finish_reason) == (whole.text.partition(stop)[0].strip(), "stop")
    assert done.usage.output_tokens < whole.usage.output_tokens


async def test_temperature_samples_and_a_seed_repeats_it(model):
    hot = [(await model.complete(user("Name an animal.", temperature=1.5, seed=seed))).text for seed in (1, 1, 2, 3)]
    assert hot[0] == hot[1]
    assert len(set(hot)) > 1
    cold = [(await model.complete(user("Name an animal.", temperature=0))).text for _ in range(2)]
    assert cold[0] == cold[1]


@pytest.mark.parametrize("model", ["local", "llamacpp"], indirect=True)
async def test_a_schema_is_followed_or_refused(model):
    done = await model.complete(user("What colour is the sky?", json_schema=COLOUR))
    assert done.text in ('{"colour": "red"}', '{"colour": "blue"}')
    assert done.finish_reason == "stop"
    with pytest.raises(InvalidPrompt, match="cannot be followed"):
        await model.complete(user("x", json_schema={"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}}))


@pytest.mark.parametrize("model", [OPENVINO, "tensorflow"], indirect=True)
async def test_a_schema_that_cannot_be_followed_is_not_ignored(model):
    with pytest.raises(Unsupported, match="cannot follow a json_schema"):
        await model.complete(user("x", json_schema=COLOUR))


async def test_a_prompt_that_does_not_fit_is_refused_not_cut(model):
    long = "well " * (model.context_tokens + 100)
    with pytest.raises(PromptTooLarge, match=rf"\d tokens; {model.name} reads {model.context_tokens}, its completion"):
        await model.complete(user(long))
    with pytest.raises(PromptTooLarge):
        await model.rank(long, ENDS)


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_the_event_loop_goes_on_while_the_model_works(model):
    working = asyncio.create_task(model.complete(user("Tell me a long story.")))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > working.result().usage.output_tokens


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_many_at_once_share_the_room_and_each_gets_its_own(model):
    # Each reserves more than a third of the room, and needs little of it.
    asked = [user("word " * 5 * number + "Hi", max_output_tokens=3000, stop=[" ", "\n"]) for number in range(4)]
    alone = [await model.complete(each) for each in asked]
    together = await asyncio.gather(*(model.complete(each) for each in asked))
    assert [each.usage.input_tokens for each in together] == [each.usage.input_tokens for each in alone]
    assert all(each.text and each.finish_reason == "stop" for each in together)


async def test_callers_that_leave_stop_the_work(model):
    begun = asyncio.Event()
    long = user("Tell me a story.", max_output_tokens=model.context_tokens - 100)
    calls = [asyncio.create_task(model.stream(long, lambda _: begun.set())) for _ in range(3)]
    await begun.wait()
    for call in calls:
        call.cancel()
    left = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in left)
    async with asyncio.timeout(60):
        assert (await model.complete(user("Hi", max_output_tokens=2))).usage.output_tokens


@pytest.mark.parametrize("model", ["llamacpp", OPENVINO, "tensorflow"], indirect=True)
async def test_a_call_that_takes_too_long_is_a_failure(model, monkeypatch):
    monkeypatch.setattr(model, "_timeout", 0.01)
    with pytest.raises(Unavailable, match=r"longer than 0\.01 s"):
        await model.complete(user("Tell me a long story.", max_output_tokens=model.context_tokens // 2))


@pytest.mark.long
@pytest.mark.parametrize(("engine", "halved"), [("llamacpp", False), ("openvino", True)])
async def test_with_weights_of_full_or_half_precision_it_is_the_base(tmp_path, engine, halved):
    from tests.unit.models.engines.gguf_files import in_full_precision

    pytest.importorskip(NEEDS[engine], reason=f"pip install 'carteiro[{engine}]'")
    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    model = await opened(f"{engine}:{in_full_precision(packaged, tmp_path / 'whole.gguf', halved=halved)}")
    base = await opened("local:smollm2")
    for text in ("What is the capital of France?", "Name an animal.", "Tell me a long story."):
        mine, theirs = await model.complete(user(text)), await base.complete(user(text))
        assert (mine.text, mine.finish_reason, mine.usage) == (theirs.text, theirs.finish_reason, theirs.usage)
    mine, theirs = await model.rank(PRICED, ENDS), await base.rank(PRICED, ENDS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2e-2)
    assert engine == "openvino" or mine.usage == theirs.usage  # OpenVINO reads a common beginning again
    await model.close()
    await base.close()
