"""Contract of all chat models in this process, for every engine."""

import asyncio

import pytest
import pytest_asyncio
from transformers import AutoTokenizer

from carteiro.models.errors import InvalidPrompt, PromptTooLarge, Unavailable, Unsupported
from carteiro.models.interface import ChatModel, RankingModel, StreamingModel
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.prompt import Message, Prompt
from tests.unit.models import untrained
from tests.unit.models.sample_models import COLOUR_SCHEMA, CONTINUATIONS, RANKING_TEXT, load_model, user_prompt

pytestmark = pytest.mark.slow

NEEDS = {"local": "torch", "llamacpp": "xllamacpp", "openvino": "openvino_genai", "tensorflow": "keras_hub"}
OPENVINO = pytest.param("openvino", marks=pytest.mark.long)
SMOLLM2 = ["local", "llamacpp", OPENVINO]
"""Engines that run the packaged model; TensorFlow runs a tiny GPT-2."""


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=[*SMOLLM2, "tensorflow"])
async def model(request, tmp_path_factory):
    engine = request.param
    pytest.importorskip(NEEDS[engine], reason=f"pip install 'carteiro[{engine}]'")
    what = untrained.gpt2(tmp_path_factory.mktemp("gpt2")) if engine == "tensorflow" else "smollm2"
    loaded = await load_model(f"{engine}:{what}")
    await loaded.load()  # every task that shares the model calls it
    yield loaded
    await loaded.close()


async def test_model_is_small_and_can_chat_stream_and_rank(model):
    assert all(isinstance(model, ability) for ability in (ChatModel, StreamingModel, RankingModel))
    assert model.is_small


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_token_counts_equal_transformers(model, smollm2_directory):
    assert model.context_tokens == 8192
    tokenizer = AutoTokenizer.from_pretrained(smollm2_directory)
    for text in ("Olá, mundo!", "", "  two  spaces\n\n", "東京 🎉"):
        assert model.count_tokens(text) == len(tokenizer(text)["input_ids"])
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who <|im_end|> are you?"}]
    done = await model.complete(Prompt(messages=[Message(**turn) for turn in turns], max_output_tokens=1))
    turns[1]["content"] = "Who < |im_end|> are you?"  # the token is escaped, or it would end the message
    ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True)["input_ids"]
    assert done.usage.input_tokens == len(ids)


@pytest.mark.parametrize("model", ["local", OPENVINO], indirect=True)
async def test_completion_ends_without_limit(model):
    done = await model.complete(user_prompt("What is the capital of France?"))
    assert "Paris" in done.text
    assert done.finish_reason == "stop"


async def test_streamed_text_equals_the_completion(model):
    pieces: list[str] = []
    shown = await model.stream(user_prompt("What colour is the sky?"), pieces.append)
    whole = await model.complete(user_prompt("What colour is the sky?"))
    assert shown == whole
    assert "".join(pieces) == whole.text
    assert len(pieces) > 4


async def test_token_limit_is_kept_and_reported(model):
    done = await model.complete(user_prompt("Tell me a long story.", max_output_tokens=5))
    assert (done.usage.output_tokens, done.finish_reason) == (5, "length")


async def test_stop_text_ends_the_completion_and_is_not_part_of_it(model):
    whole = await model.complete(user_prompt("What colour is the sky?"))
    stop = whole.text[6:11]
    done = await model.complete(user_prompt("What colour is the sky?", stop=[stop, "never"]))
    assert (done.text, done.finish_reason) == (whole.text.partition(stop)[0].strip(), "stop")
    assert done.usage.output_tokens < whole.usage.output_tokens


async def test_temperature_samples_and_seed_repeats(model):
    sampled = [
        (await model.complete(user_prompt("Name an animal.", temperature=1.5, seed=seed))).text for seed in (1, 1, 2, 3)
    ]
    assert sampled[0] == sampled[1]
    assert len(set(sampled)) > 1
    greedy = [(await model.complete(user_prompt("Name an animal.", temperature=0))).text for _ in range(2)]
    assert greedy[0] == greedy[1]


@pytest.mark.parametrize("model", ["local", "llamacpp"], indirect=True)
async def test_schema_is_followed_or_rejected(model):
    done = await model.complete(user_prompt("What colour is the sky?", json_schema=COLOUR_SCHEMA))
    assert done.text in ('{"colour": "red"}', '{"colour": "blue"}')
    assert done.finish_reason == "stop"
    with pytest.raises(InvalidPrompt, match="cannot be followed"):
        await model.complete(
            user_prompt("x", json_schema={"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}})
        )


@pytest.mark.parametrize("model", [OPENVINO, "tensorflow"], indirect=True)
async def test_engine_without_grammar_rejects_schemas(model):
    with pytest.raises(Unsupported, match="cannot follow a json_schema"):
        await model.complete(user_prompt("x", json_schema=COLOUR_SCHEMA))


async def test_too_long_prompt_is_rejected_and_not_cut(model):
    long = "well " * (model.context_tokens + 100)
    with pytest.raises(PromptTooLarge, match=rf"\d tokens; {model.name} reads {model.context_tokens}, its completion"):
        await model.complete(user_prompt(long))
    with pytest.raises(PromptTooLarge):
        await model.rank(long, CONTINUATIONS)


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_event_loop_is_not_blocked_by_the_model(model):
    working = asyncio.create_task(model.complete(user_prompt("Tell me a long story.")))
    iterations = 0
    while not working.done():
        await asyncio.sleep(0.005)
        iterations += 1
    assert iterations > working.result().usage.output_tokens


@pytest.mark.parametrize("model", SMOLLM2, indirect=True)
async def test_concurrent_requests_share_the_context(model):
    # A request reserves more than a third of the context, but needs little of it.
    asked = [user_prompt("word " * 5 * number + "Hi", max_output_tokens=3000, stop=[" ", "\n"]) for number in range(4)]
    alone = [await model.complete(each) for each in asked]
    together = await asyncio.gather(*(model.complete(each) for each in asked))
    assert [each.usage.input_tokens for each in together] == [each.usage.input_tokens for each in alone]
    assert all(each.text and each.finish_reason == "stop" for each in together)


async def test_cancelled_callers_stop_the_work(model):
    begun = asyncio.Event()
    long = user_prompt("Tell me a story.", max_output_tokens=model.context_tokens - 100)
    calls = [asyncio.create_task(model.stream(long, lambda _: begun.set())) for _ in range(3)]
    await begun.wait()
    for call in calls:
        call.cancel()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(each, asyncio.CancelledError) for each in results)
    async with asyncio.timeout(60):
        assert (await model.complete(user_prompt("Hi", max_output_tokens=2))).usage.output_tokens


@pytest.mark.parametrize("model", ["llamacpp", OPENVINO, "tensorflow"], indirect=True)
async def test_call_past_timeout_is_unavailable(model, monkeypatch):
    monkeypatch.setattr(model, "_timeout", 0.01)
    with pytest.raises(Unavailable, match=r"longer than 0\.01 s"):
        await model.complete(user_prompt("Tell me a long story.", max_output_tokens=model.context_tokens // 2))


@pytest.mark.long
@pytest.mark.parametrize(("engine", "halved"), [("llamacpp", False), ("openvino", True)])
async def test_engine_with_full_or_half_precision_equals_transformers(tmp_path, engine, halved):
    from tests.unit.models.local.llamacpp.gguf_files import in_full_precision

    pytest.importorskip(NEEDS[engine], reason=f"pip install 'carteiro[{engine}]'")
    packaged = find_checkpoint("smollm2").gguf_path
    assert packaged
    model = await load_model(f"{engine}:{in_full_precision(packaged, tmp_path / 'whole.gguf', halved=halved)}")
    base = await load_model("local:smollm2")
    for text in ("What is the capital of France?", "Name an animal.", "Tell me a long story."):
        mine, theirs = await model.complete(user_prompt(text)), await base.complete(user_prompt(text))
        assert (mine.text, mine.finish_reason, mine.usage) == (theirs.text, theirs.finish_reason, theirs.usage)
    mine, theirs = await model.rank(RANKING_TEXT, CONTINUATIONS), await base.rank(RANKING_TEXT, CONTINUATIONS)
    assert mine.log_probabilities == pytest.approx(theirs.log_probabilities, abs=2e-2)
    assert engine == "openvino" or mine.usage == theirs.usage  # OpenVINO reads a common prefix again
    await model.close()
    await base.close()
