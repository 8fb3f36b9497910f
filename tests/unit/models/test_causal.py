"""The packaged SmolLM2, and tiny models made here, through `CausalModel`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from carteiro.models.failures import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.interface import ChatModel, Message, Prompt, RankingModel
from carteiro.models.local.causal import CausalModel
from carteiro.models.local.checkpoint import Checkpoint, find_checkpoint
from carteiro.models.stop_texts import cut_at_stop

pytestmark = pytest.mark.slow


def user(text: str, **options: Any) -> Prompt:
    return Prompt(messages=[Message("user", text)], **{"max_output_tokens": 24, **options})


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def model(smollm2_directory: Path) -> AsyncIterator[CausalModel]:
    loaded = CausalModel("local:smollm2", find_checkpoint("smollm2"), timeout=120)
    await loaded.load()
    yield loaded
    await loaded.close()


@pytest.fixture(scope="module")
def reference(smollm2_directory: Path) -> tuple[Any, Any]:
    """The same model by Transformers' own calls."""
    return AutoTokenizer.from_pretrained(smollm2_directory), AutoModelForCausalLM.from_pretrained(smollm2_directory)


async def test_it_says_what_transformers_says_with_the_model_s_own_template(model, reference):
    tokenizer, plain = reference
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    expected = plain.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    done = await model.complete(
        Prompt(messages=[Message(turn["role"], turn["content"]) for turn in turns], max_output_tokens=24)
    )
    assert done.text == tokenizer.decode(expected, skip_special_tokens=True).strip()
    assert done.usage.input_tokens == inputs["input_ids"].shape[1]
    assert done.usage.output_tokens == len(expected)


async def test_ranking_is_the_model_s_own_log_probability(model, reference):
    tokenizer, plain = reference
    text, continuations = "The capital of France is", [" Paris", " a lovely city", " xylophone"]
    ranking = await model.rank(text, continuations)
    for continuation, found in zip(continuations, ranking.log_probabilities, strict=True):
        prefix = tokenizer(text)["input_ids"]
        ending = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        logits = torch.log_softmax(plain(torch.tensor([prefix + ending])).logits[0], dim=-1)
        expected = sum(float(logits[len(prefix) - 1 + step, token]) for step, token in enumerate(ending))
        assert found == pytest.approx(expected, abs=1e-2)


async def test_the_limit_of_tokens_is_kept_and_told(model):
    done = await model.complete(user("Tell me a long story.", max_output_tokens=5))
    assert (done.usage.output_tokens, done.finish_reason) == (5, "length")
    assert (await model.complete(user("What is the capital of France?"))).finish_reason == "stop"


async def test_a_stop_text_ends_the_completion_and_is_not_part_of_it(model):
    whole = await model.complete(user("What is the capital of France?"))
    assert "Paris" in whole.text
    done = await model.complete(user("What is the capital of France?", stop=["is Pa", "never"]))
    assert (done.text, done.finish_reason) == (whole.text.partition("is Pa")[0].strip(), "stop")
    assert done.usage.output_tokens < whole.usage.output_tokens


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("one two three", ["two"], ("one ", True)),
        ("one two three", ["three", "two"], ("one ", True)),
        ("one two three", ["four"], ("one two three", False)),
        ("one", [], ("one", False)),
    ],
)
def test_where_a_text_is_cut(text, stop, expected):
    assert cut_at_stop(text, stop) == expected


async def test_it_is_seen_writing(model):
    asked = user("What is the capital of France?", stop=["\n"])
    said: list[str] = []
    done = await model.stream(asked, said.append)
    assert done == await model.complete(asked)
    assert "".join(said) == done.text
    assert len(said) > 3


async def test_temperature_samples_and_a_seed_repeats_it(model):
    hot = [(await model.complete(user("Name an animal.", temperature=1.5, seed=seed))).text for seed in (1, 1, 2, 3)]
    assert hot[0] == hot[1]
    assert len(set(hot)) > 1
    cold = [(await model.complete(user("Name an animal.", temperature=0))).text for _ in range(2)]
    assert cold[0] == cold[1]


async def test_a_schema_is_followed(model):
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "blue"]}},
        "required": ["colour"],
        "additionalProperties": False,
    }
    done = await model.complete(user("What colour is the sky?", json_schema=schema))
    assert done.text in ('{"colour": "red"}', '{"colour": "blue"}')
    assert done.finish_reason == "stop"
    with pytest.raises(InvalidPrompt, match="cannot be followed"):
        await model.complete(user("x", json_schema={"type": "object", "properties": {"a": {"pattern": "(?=x)y"}}}))


async def test_a_prompt_that_does_not_fit_is_refused_not_cut(model):
    with pytest.raises(PromptTooLarge, match=r"9\d\d\d tokens; local:smollm2 reads 8192"):
        await model.complete(user("word " * 9000))
    with pytest.raises(PromptTooLarge):
        await model.rank("word " * 9000, [" a"])


async def test_the_event_loop_goes_on_while_the_model_works(model):
    working = asyncio.create_task(model.complete(user("Tell me a long story.", max_output_tokens=30)))
    turns = 0
    while not working.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > working.result().usage.output_tokens


async def test_a_caller_that_leaves_stops_the_work(model):
    call = asyncio.create_task(model.complete(user("Tell me a very long story.", max_output_tokens=4000)))
    await asyncio.sleep(0.2)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    # The thread is free again long before 4,000 tokens could have been written.
    async with asyncio.timeout(60):
        assert (await model.complete(user("Hi", max_output_tokens=2))).text


async def test_a_call_that_takes_too_long_is_a_failure(smollm2_directory):
    hasty = CausalModel("local:hasty", Checkpoint(str(smollm2_directory)), timeout=0.2)
    await hasty.load()
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await hasty.complete(user("Tell me a long story.", max_output_tokens=4000))
    await hasty.close()


def test_its_abilities(model):
    assert isinstance(model, ChatModel)
    assert isinstance(model, RankingModel)
    assert model.small


def make_tiny(directory: Path, chat_template: str | None = None) -> Path:
    words = ["<end>", "the", "cat", "sat", "on", "mat", "user", "system", "be", "kind"]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>")
    fast.chat_template = chat_template
    fast.save_pretrained(directory)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(words), n_positions=32, n_embd=16, n_layer=1, n_head=2, eos_token_id=0, bos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(directory)
    return directory


async def loaded(directory: Path) -> CausalModel:
    model = CausalModel("local:tiny", find_checkpoint(str(directory)), timeout=60)
    await model.load()
    return model


async def test_a_base_model_without_a_template_continues_the_text(tmp_path):
    model = await loaded(make_tiny(tmp_path))
    done = await model.complete(user("the cat sat", max_output_tokens=3))
    assert done.usage.input_tokens == 3
    assert model.context_tokens == 32
    with pytest.raises(PromptTooLarge):
        await model.complete(user("cat " * 32))
    assert (await model.complete(user("cat " * 31))).usage.output_tokens == 1


async def test_a_template_that_knows_no_system_message_gets_it_in_the_user_s(tmp_path):
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "user {{ m.content }} {% endfor %}"
    )
    model = await loaded(make_tiny(tmp_path, template))
    prompt = Prompt(messages=[Message("system", "be kind"), Message("user", "the cat")], max_output_tokens=1)
    assert (await model.complete(prompt)).usage.input_tokens == len("user be kind the cat".split())


async def test_what_cannot_be_loaded_is_one_clear_line(tmp_path):
    whole = make_tiny(tmp_path / "whole")
    headless = make_tiny(tmp_path / "headless")
    weights = (headless / "model.safetensors").read_bytes()
    (headless / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    unknown = make_tiny(tmp_path / "unknown")
    (unknown / "config.json").write_text('{"model_type": "no-such-architecture"}')
    (tmp_path / "broken.gguf").write_bytes(b"GGUF is what this file is not")
    for where in (headless, unknown, tmp_path / "broken.gguf"):
        with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
            await loaded(where)
        assert "\n" not in str(caught.value)
    for where in (tmp_path / "absent", tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(ModelUnusable):
            find_checkpoint(str(where))
    assert (await loaded(whole)).context_tokens == 32


async def test_a_checkpoint_with_weights_missing_is_refused(tmp_path):
    """Transformers would fill them with random numbers."""
    directory = make_tiny(tmp_path)
    config = GPT2Config.from_pretrained(directory, n_layer=2)
    config.save_pretrained(directory)
    with pytest.raises(ModelUnusable, match="lacks"):
        await loaded(directory)


async def test_a_checkpoint_without_its_tokenizer_is_refused(tmp_path):
    """Transformers would make one up that knows no word."""
    directory = make_tiny(tmp_path)
    for file in directory.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelUnusable, match="has no vocabulary"):
        await loaded(directory)


async def test_a_gguf_file_by_its_path():
    gguf = find_checkpoint("smollm2").gguf_path
    by_path = find_checkpoint(str(gguf))
    assert by_path.gguf_path == gguf
