"""Continuous batching: a completion is the same in a batch and by itself, even if other rows join and leave."""

import asyncio
import inspect
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    Gemma3TextConfig,
    GenerationConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    PreTrainedConfig,
    Qwen3NextConfig,
)

from carteiro.models.errors import Unavailable
from carteiro.models.local.inference.thread import ModelThread
from carteiro.models.local.text_generation.stop_condition import StopCondition
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.local.transformers import continuous_batching, decode_batch
from carteiro.models.local.transformers.continuous_batching import ContinuousBatcher
from carteiro.models.local.transformers.forward import is_recurrent
from carteiro.models.local.transformers.prefix_cache import PrefixCache
from carteiro.models.local.transformers.sampling import make_sampler
from carteiro.models.prompt import Prompt
from tests.conftest import eventually
from tests.unit.models.local.transformers.passes import count_read_tokens

pytestmark = pytest.mark.slow

VOCABULARY_SIZE = 97
SIZE: dict[str, Any] = {
    "vocab_size": VOCABULARY_SIZE,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "gpt2": GPT2Config(vocab_size=VOCABULARY_SIZE, n_positions=2048, n_embd=32, n_layer=2, n_head=4, eos_token_id=2),
    "llama": LlamaConfig(**SIZE),
    "mistral, a sliding window of 8": MistralConfig(**SIZE, sliding_window=8),
    "gemma3, sliding and full layers": Gemma3TextConfig(
        **SIZE, head_dim=8, sliding_window=8, layer_types=["sliding_attention", "full_attention"]
    ),
    "opt, learned positions": OPTConfig(
        vocab_size=VOCABULARY_SIZE, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4,
        word_embed_proj_dim=32
    ),
    "bloom, no positions": BloomConfig(vocab_size=VOCABULARY_SIZE, hidden_size=32, n_layer=2, n_head=4),
    "qwen3-next, a state": Qwen3NextConfig(
        **SIZE, head_dim=8, layer_types=["linear_attention", "full_attention"], num_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=16, shared_expert_intermediate_size=16, linear_num_key_heads=2, linear_num_value_heads=2,
        linear_key_head_dim=8, linear_value_head_dim=8,
    ),
}  # fmt: skip


def make_model(config: PreTrainedConfig) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for parameter in model.parameters():
        # Weights larger than those of a new model make each token influence the next ones.
        parameter.data += torch.randn_like(parameter) * 0.2
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request) -> Any:
    return make_model(CONFIGS[request.param])


@pytest.fixture(scope="module")
def llama() -> Any:
    return make_model(CONFIGS["llama"])


@pytest.fixture
def begin():
    threads = []

    def make_batcher(
        model: Any, timeout: float = 60, budget: int = 100_000, prefix_bytes: int = 2**20, **more: Any
    ) -> ContinuousBatcher:
        threads.append(ModelThread("tiny"))
        prefixes = PrefixCache(model, prefix_bytes)
        return ContinuousBatcher(
            "local:tiny", model, threads[-1], prefixes, timeout=timeout, max_cached_tokens=budget, **more
        )

    yield make_batcher
    for thread in threads:
        thread.close()


def decode(tokens: Sequence[int]) -> str:
    return "".join(f"<{token}>" for token in tokens)


def make_sequence(model: Any, prompt: Sequence[int], limit: int = 10, **more: Any) -> TokenSequence:
    asked = Prompt(messages=[], temperature=more.pop("temperature", None), seed=more.pop("seed", None))
    sampler = make_sampler(model, len(prompt), asked, more.pop("grammar", None))
    stop_condition = StopCondition(decode, more.pop("stop", ()))
    return TokenSequence(
        prompt_ids=list(prompt),
        max_new_tokens=limit,
        sampler=sampler,
        end_tokens=[2],
        stop_condition=stop_condition,
        **more,
    )


def prompts(*lengths: int) -> list[list[int]]:
    chosen = random.Random(0)
    return [[chosen.randrange(3, VOCABULARY_SIZE) for _ in range(length)] for length in lengths]


def generate_alone(model: Any, prompt: Sequence[int], limit: int) -> list[int]:
    """Return the tokens that Transformers writes without a batch."""
    ids = torch.tensor([list(prompt)])
    config = GenerationConfig(max_new_tokens=limit, do_sample=False, eos_token_id=2, pad_token_id=0)
    return model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)[0, len(prompt) :].tolist()


async def write_all(batcher: ContinuousBatcher, rows: Sequence[TokenSequence], steps_between: int = 0) -> None:
    async def later(number: int, each: TokenSequence) -> None:
        for _ in range(number * steps_between):
            await asyncio.sleep(0.002)
        await batcher.generate(each)

    await asyncio.gather(*(later(number, each) for number, each in enumerate(rows)))


@pytest.mark.parametrize("between", [0, 3], ids=["at once", "one after the other"])
async def test_batched_completions_equal_unbatched_transformers(model, begin, between):
    asked = list(zip(prompts(3, 40, 7, 1, 9, 100, 12, 5), [30, 12, 25, 18, 1, 9, 33, 21], strict=True))
    rows = [make_sequence(model, prompt, limit) for prompt, limit in asked]
    await write_all(begin(model), rows, between)
    assert [each.output_ids for each in rows] == [generate_alone(model, prompt, limit) for prompt, limit in asked]
    assert {each.finish_reason for each in rows} <= {"length", "stop"}


async def test_long_prompt_is_read_in_chunks(model, begin, monkeypatch):
    monkeypatch.setattr(decode_batch, "_CHUNK", 16)
    asked = prompts(150, 120, 4)
    rows = [make_sequence(model, prompt, 12) for prompt in asked]
    await write_all(begin(model), rows)
    assert [each.output_ids for each in rows] == [generate_alone(model, prompt, 12) for prompt in asked]


@pytest.mark.parametrize("prefix_bytes", [2**20, 40_000], ids=["all fit", "beginnings are dropped"])
async def test_completions_after_common_beginnings_equal_unbatched_transformers(model, begin, prefix_bytes):
    common, other, *ends = prompts(60, 25, 1, 8, 3, 20, 5)
    asked = [[*common, *end] for end in ends] + [[*other, *end] for end in ends]
    asked += [common, [*common, *other], asked[0], prompts(7)[0]]
    expected = [generate_alone(model, prompt, 12) for prompt in asked]
    batcher = begin(model, prefix_bytes=prefix_bytes)
    for number, prompt in enumerate(asked):
        row = make_sequence(model, prompt, 12)
        await batcher.generate(row)
        assert row.output_ids == expected[number]
        if number == 1:
            assert batcher._prefixes.reused_tokens == (0 if is_recurrent(model) else len(common))
    rows = [make_sequence(model, prompt, 12) for prompt in asked]
    await write_all(batcher, rows, 1)
    assert [each.output_ids for each in rows] == expected


@pytest.mark.parametrize("max_prefill_tokens", [2048, 700], ids=["all fit", "two fit while nothing is known"])
async def test_common_beginning_of_simultaneous_prompts_is_read_once(llama, begin, monkeypatch, max_prefill_tokens):
    monkeypatch.setattr(continuous_batching, "_MAX_PREFILL_TOKENS", max_prefill_tokens)
    common, *ends = prompts(300, 9, 10, 11, 9, 10, 11)
    rows = [make_sequence(llama, [*common, *end], 1) for end in ends]
    counts = count_read_tokens(llama, monkeypatch)
    await write_all(begin(llama), rows)
    monkeypatch.undo()
    assert sum(counts) < len(common) + 6 * 12
    assert len(counts) == 2, "the first prompt, and then the rest of all others"
    assert [each.output_ids for each in rows] == [generate_alone(llama, [*common, *end], 1) for end in ends]


async def test_cancelled_reader_of_a_common_beginning_leaves_the_others(llama, begin, monkeypatch):
    monkeypatch.setattr(decode_batch, "_CHUNK", 16)
    common, *ends = prompts(300, 9, 10, 11)
    rows = [make_sequence(llama, [*common, *end], 5) for end in ends]
    batcher = begin(llama)
    calls = [asyncio.create_task(batcher.generate(each)) for each in rows]
    await eventually(lambda: bool(batcher._batches))
    assert batcher._batches[0].sequences == rows[:1], "it reads the beginning for all"
    calls[0].cancel()
    await asyncio.gather(*calls[1:])
    expected = [generate_alone(llama, [*common, *end], 5) for end in ends]
    assert [each.output_ids for each in rows[1:]] == expected[1:]
    again = make_sequence(llama, rows[0].prompt_ids, 5)
    await batcher.generate(again)
    assert again.output_ids == expected[0]


async def test_short_completion_does_not_wait_for_long_one(llama, begin):
    batcher = begin(llama)
    long, short = make_sequence(llama, [5, 6, 7], 1500), make_sequence(llama, [8, 9], 5)
    long.end_tokens = ()
    writing = asyncio.create_task(batcher.generate(long))
    await eventually(lambda: len(long.output_ids) > 20)
    await batcher.generate(short)
    assert not long.is_finished
    writing.cancel()


async def test_seed_gives_same_text_in_batch_and_without(llama, begin):
    asked = [(prompt, seed) for prompt in prompts(4, 9) for seed in (1, 2)]
    rows = [make_sequence(llama, prompt, 20, temperature=1.3, seed=seed) for prompt, seed in asked]
    await write_all(begin(llama), rows, 2)
    assert len({tuple(each.output_ids) for each in rows}) == len(rows)
    for each, (prompt, seed) in zip(rows, asked, strict=True):
        torch.manual_seed(seed)
        config = GenerationConfig(max_new_tokens=20, do_sample=True, temperature=1.3, eos_token_id=2, pad_token_id=0)
        expected = llama.generate(torch.tensor([prompt]), generation_config=config)[0, len(prompt) :].tolist()
        assert each.output_ids == expected


async def test_generation_config_of_the_model_is_applied(llama, begin):
    prompt = prompts(6)[0]
    plain = generate_alone(llama, prompt, 20)
    llama.generation_config.repetition_penalty = 5.0
    try:
        penalized = make_sequence(llama, prompt, 20)
        await write_all(begin(llama), [penalized, make_sequence(llama, prompts(3)[0])])
        ids = torch.tensor([prompt])
        expected = llama.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
    finally:
        llama.generation_config.repetition_penalty = None
    assert penalized.output_ids == expected[0, len(prompt) :].tolist()
    assert penalized.output_ids != plain


async def test_stop_text_ends_only_its_own_row(llama, begin):
    prompt = prompts(6)[0]
    whole = generate_alone(llama, prompt, 20)
    stopped, other = (
        make_sequence(llama, prompt, 20, stop=["never", decode(whole[3:5])[1:-1]]),
        make_sequence(llama, prompt, 20),
    )
    await write_all(begin(llama), [stopped, other])
    assert (stopped.output_ids, stopped.finish_reason) == (whole[:5], "stop")
    assert other.output_ids == whole


async def test_cancelled_caller_frees_its_tokens_before_the_next_step(llama, begin):
    batcher = begin(llama, budget=2000)
    leaving, staying = make_sequence(llama, [5, 6, 7], 1500), make_sequence(llama, [8, 9], 1500)
    leaving.end_tokens = staying.end_tokens = ()
    calls = [asyncio.create_task(batcher.generate(each)) for each in (leaving, staying)]
    await eventually(lambda: len(leaving.output_ids) > 5)
    assert not staying.output_ids, "there is no room for both"
    calls[0].cancel()
    await eventually(lambda: len(staying.output_ids) > 5)
    written = len(leaving.output_ids)
    await eventually(lambda: len(staying.output_ids) > 15)
    assert len(leaving.output_ids) == written
    calls[1].cancel()
    await eventually(batcher._loop_task.done)
    assert not batcher._running


async def test_error_of_one_row_does_not_affect_the_others(llama, begin):
    def fail(*_: Any) -> None:
        raise ArithmeticError("no token is left")

    spoilt, whole = make_sequence(llama, [5, 6], grammar=fail), make_sequence(llama, [7, 8])
    batcher = begin(llama)
    results = await asyncio.gather(batcher.generate(spoilt), batcher.generate(whole), return_exceptions=True)
    assert [type(each) for each in results] == [ArithmeticError, type(None)]
    assert whole.output_ids == generate_alone(llama, [7, 8], 10)


@pytest.mark.parametrize("words", ["can't allocate memory", "something else"])
async def test_batch_that_fails_is_split_in_halves_and_completes(llama, begin, monkeypatch, words):
    forward = llama.forward

    def narrow(ids: torch.Tensor, **more: Any) -> Any:
        if ids.shape[0] > 2:
            raise RuntimeError(f"DefaultCPUAllocator: {words}")
        return forward(ids, **more)

    monkeypatch.setattr(narrow, "__signature__", inspect.signature(forward), raising=False)
    monkeypatch.setattr(llama, "forward", narrow)
    asked = prompts(5, 6, 7, 8, 9)
    rows = [make_sequence(llama, prompt) for prompt in asked]
    batcher = begin(llama)
    await write_all(batcher, rows)
    monkeypatch.undo()
    assert [each.output_ids for each in rows] == [generate_alone(llama, prompt, 10) for prompt in asked]


async def test_single_row_without_enough_memory_is_unavailable(llama, begin, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes")

    batcher = begin(llama)
    monkeypatch.setattr(llama, "forward", full)
    with pytest.raises(Unavailable, match="ran out of memory"):
        await batcher.generate(make_sequence(llama, [5]))
    monkeypatch.undo()
    await batcher.generate(make_sequence(llama, [5]))


async def test_timeout_counts_only_the_share_of_the_row(llama, begin):
    """A step of one second with ten rows counts as a tenth of a second for each row."""
    ticks = iter(range(10_000))
    batcher = begin(llama, timeout=10.5, clock=lambda: float(next(ticks)))
    company = [make_sequence(llama, [5, 6], 10) for _ in range(10)]
    await write_all(batcher, company)
    single = make_sequence(llama, [5, 6], 12)
    single.end_tokens = ()
    with pytest.raises(Unavailable, match=r"longer than 10\.5 s"):
        await batcher.generate(single)
