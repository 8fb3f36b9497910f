"""Causal models through Transformers: SmolLM2 compared with direct calls, and tiny models with unusual features."""

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

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.local.transformers.causal import TransformersCausalModel
from carteiro.models.prompt import Message, Prompt
from tests.conftest import eventually
from tests.unit.models.sample_models import CONTINUATIONS, RANKING_TEXT, load_model, user_prompt

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def smollm2() -> AsyncIterator[TransformersCausalModel]:
    model = await load_model("local:smollm2")
    yield model
    await model.close()


@pytest.fixture(scope="module")
def reference(smollm2_directory: Path) -> tuple[Any, Any]:
    """Return the tokenizer and the model for direct calls of Transformers."""
    return AutoTokenizer.from_pretrained(smollm2_directory), AutoModelForCausalLM.from_pretrained(smollm2_directory)


async def test_completion_with_chat_template_equals_transformers(smollm2, reference):
    tokenizer, plain = reference
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is the capital of France?"}]
    inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    expected = plain.generate(**inputs, max_new_tokens=24, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    done = await smollm2.complete(
        Prompt(messages=[Message(turn["role"], turn["content"]) for turn in turns], max_output_tokens=24)
    )
    assert done.text == tokenizer.decode(expected, skip_special_tokens=True).strip()
    assert done.usage.input_tokens == inputs["input_ids"].shape[1]
    assert done.usage.output_tokens == len(expected)


async def test_ranking_equals_log_probability_of_the_model(smollm2, reference):
    tokenizer, plain = reference
    ranking = await smollm2.rank(RANKING_TEXT, CONTINUATIONS)
    for continuation, found in zip(CONTINUATIONS, ranking.log_probabilities, strict=True):
        prefix = tokenizer(RANKING_TEXT)["input_ids"]
        ending = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        logits = torch.log_softmax(plain(torch.tensor([prefix + ending])).logits[0], dim=-1)
        expected = sum(float(logits[len(prefix) - 1 + step, token]) for step, token in enumerate(ending))
        assert found == pytest.approx(expected, abs=1e-2)


async def test_beginning_of_a_prompt_is_read_once_and_changes_no_answer(smollm2, reference):
    tokenizer, plain = reference
    rules = "You answer questions about a small shop by the river that sells bread, cheese and old books. " * 3
    for question, reused in (("Who are you?", 0), ("What do you sell?", 60), ("What do you sell?", 70)):
        turns = [{"role": "system", "content": rules}, {"role": "user", "content": question}]
        inputs = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt", return_dict=True)
        length = inputs["input_ids"].shape[1]
        expected = plain.generate(**inputs, max_new_tokens=12, do_sample=False)[0, length:]
        before = smollm2.prefixes.reused_tokens
        done = await smollm2.complete(
            Prompt(messages=[Message(turn["role"], turn["content"]) for turn in turns], max_output_tokens=12)
        )
        assert done.text == tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert done.usage.cached_input_tokens == 0, "callers see no prompts of others"
        assert smollm2.prefixes.reused_tokens - before >= reused


async def test_ranking_is_the_same_after_other_texts_with_the_same_beginning(smollm2, reference):
    tokenizer, plain = reference
    template = "Review: The table is made of wood.\nSentiment: neutral\n\nReview: {}\nSentiment:"
    labels = [" positive", " negative", " neither good nor bad"]
    for text in ("I love it.", "I hate it, and so does my dog.", "I love it."):
        prefix = tokenizer(template.format(text))["input_ids"]
        ranking = await smollm2.rank(template.format(text), labels)
        for label, found in zip(labels, ranking.log_probabilities, strict=True):
            ending = tokenizer(label, add_special_tokens=False)["input_ids"]
            logits = torch.log_softmax(plain(torch.tensor([prefix + ending])).logits[0], dim=-1)
            expected = sum(float(logits[len(prefix) - 1 + step, token]) for step, token in enumerate(ending))
            assert found == pytest.approx(expected, abs=1e-2)


async def test_kept_beginnings_are_dropped_when_the_model_is_closed(tmp_path):
    model = await loaded(make_tiny(tmp_path))
    await model.rank("the cat sat", [" on"])
    assert model.prefixes.bytes
    await model.close()
    await eventually(lambda: not model.prefixes.bytes)


async def test_call_past_timeout_is_unavailable():
    hasty = await load_model("local:smollm2", CARTEIRO_MODEL_TIMEOUT_SECONDS=0.2)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await hasty.complete(user_prompt("Tell me a long story.", max_output_tokens=4000))
    await hasty.close()


def make_tiny(directory: Path, chat_template: str | None = None, *, says: int | None = None) -> Path:
    """Save a model with random weights; if `says` is given, it writes only this token."""
    words = ["<end>", "the", "cat", "sat", "on", "mat", "user", "system", "be", "kind"]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(words)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = Whitespace()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>")
    fast.chat_template = chat_template
    fast.save_pretrained(directory)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(words),
        n_positions=32 if says is None else 600,
        n_embd=16,
        n_layer=1,
        n_head=2,
        eos_token_id=0,
        bos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    if says is not None:
        norm = model.transformer.ln_f
        torch.nn.init.zeros_(norm.weight)
        norm.bias.data = model.lm_head.weight.data[says] * 100
    model.save_pretrained(directory)
    return directory


async def loaded(directory: Path) -> TransformersCausalModel:
    model = TransformersCausalModel("local:tiny", find_checkpoint(str(directory)), timeout=60)
    await model.load()
    return model


async def test_base_model_without_template_continues_the_text(tmp_path):
    model = await loaded(make_tiny(tmp_path))
    done = await model.complete(user_prompt("the cat sat", max_output_tokens=3))
    assert done.usage.input_tokens == 3
    assert model.context_tokens == 32
    with pytest.raises(PromptTooLarge):
        await model.complete(user_prompt("cat " * 32))
    assert (await model.complete(user_prompt("cat " * 31))).usage.output_tokens == 1


async def test_completion_that_repeats_itself_is_stopped(tmp_path):
    model = await loaded(make_tiny(tmp_path, says=2))
    done = await model.complete(user_prompt("the cat", max_output_tokens=400))
    assert set(done.text.split()) == {"cat"}
    assert 1 < done.usage.output_tokens < 50


async def test_small_model_writes_at_most_128_tokens_unless_limit_is_given(tmp_path, monkeypatch):
    monkeypatch.setattr("carteiro.models.local.text_generation.token_sequence.repeats_itself", lambda _: False)
    model = await loaded(make_tiny(tmp_path, says=2))
    assert (await model.complete(user_prompt("the cat", max_output_tokens=None))).usage.output_tokens == 128
    assert (await model.complete(user_prompt("the cat", max_output_tokens=300))).usage.output_tokens == 300
    model.is_small = False
    assert (await model.complete(user_prompt("the cat", max_output_tokens=None))).usage.output_tokens == 512


async def test_system_message_joins_user_message_if_template_has_no_system_role(tmp_path):
    template = (
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "user {{ m.content }} {% endfor %}"
    )
    model = await loaded(make_tiny(tmp_path, template))
    prompt = Prompt(messages=[Message("system", "be kind"), Message("user", "the cat")], max_output_tokens=1)
    assert (await model.complete(prompt)).usage.input_tokens == len("user be kind the cat".split())


async def test_invalid_checkpoint_gives_one_line_error(tmp_path):
    whole = make_tiny(tmp_path / "whole")
    headless = make_tiny(tmp_path / "headless")
    weights = (headless / "model.safetensors").read_bytes()
    (headless / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    unknown = make_tiny(tmp_path / "unknown")
    (unknown / "config.json").write_text('{"model_type": "no-such-architecture"}')
    (tmp_path / "broken.gguf").write_bytes(b"GGUF is what this file is not")
    for location in (headless, unknown, tmp_path / "broken.gguf"):
        with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
            await loaded(location)
        assert "\n" not in str(caught.value)
    for location in (tmp_path / "absent", tmp_path / "absent.gguf", tmp_path):
        with pytest.raises(ModelUnusable):
            find_checkpoint(str(location))
    assert (await loaded(whole)).context_tokens == 32


async def test_checkpoint_with_missing_weights_is_rejected(tmp_path):
    """Transformers would fill missing weights with random numbers."""
    directory = make_tiny(tmp_path)
    config = GPT2Config.from_pretrained(directory, n_layer=2)
    config.save_pretrained(directory)
    with pytest.raises(ModelUnusable, match="lacks"):
        await loaded(directory)


async def test_checkpoint_without_tokenizer_is_rejected(tmp_path):
    """Transformers would create a tokenizer with an empty vocabulary."""
    directory = make_tiny(tmp_path)
    for file in directory.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(ModelUnusable, match="has no vocabulary"):
        await loaded(directory)


async def test_gguf_file_is_found_by_path():
    gguf = find_checkpoint("smollm2").gguf_path
    by_path = find_checkpoint(str(gguf))
    assert by_path.gguf_path == gguf
