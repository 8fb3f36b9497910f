"""What Transformers' causal models alone do: SmolLM2 beside its own calls, and tiny models that are not as usual."""

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

from carteiro.models.failures import ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.interface import Message, Prompt
from carteiro.models.local.causal import CausalModel
from tests.unit.models.asking import ENDS, PRICED, opened, user

pytestmark = pytest.mark.slow


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def smollm2() -> AsyncIterator[CausalModel]:
    model = await opened("local:smollm2")
    yield model
    await model.close()


@pytest.fixture(scope="module")
def reference(smollm2_directory: Path) -> tuple[Any, Any]:
    """The same model by Transformers' own calls."""
    return AutoTokenizer.from_pretrained(smollm2_directory), AutoModelForCausalLM.from_pretrained(smollm2_directory)


async def test_it_says_what_transformers_says_with_the_model_s_own_template(smollm2, reference):
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


async def test_ranking_is_the_model_s_own_log_probability(smollm2, reference):
    tokenizer, plain = reference
    ranking = await smollm2.rank(PRICED, ENDS)
    for continuation, found in zip(ENDS, ranking.log_probabilities, strict=True):
        prefix = tokenizer(PRICED)["input_ids"]
        ending = tokenizer(continuation, add_special_tokens=False)["input_ids"]
        logits = torch.log_softmax(plain(torch.tensor([prefix + ending])).logits[0], dim=-1)
        expected = sum(float(logits[len(prefix) - 1 + step, token]) for step, token in enumerate(ending))
        assert found == pytest.approx(expected, abs=1e-2)


async def test_a_call_that_takes_too_long_is_a_failure():
    hasty = await opened("local:smollm2", CARTEIRO_MODEL_TIMEOUT_SECONDS=0.2)
    with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
        await hasty.complete(user("Tell me a long story.", max_output_tokens=4000))
    await hasty.close()


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
