"""Completions that are written together: each as it would be alone, whoever comes and goes meanwhile."""

import asyncio
import inspect
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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

from carteiro.models.failures import Unavailable
from carteiro.models.in_process.showing import Showing
from carteiro.models.in_process.thread import ModelThread
from carteiro.models.local import continuous, stepping
from carteiro.models.local.continuous import ContinuousBatcher
from carteiro.models.local.row import Row
from carteiro.models.local.sampling import make_sampler
from carteiro.models.stop_texts import StopTexts, cut_at_stop
from tests.conftest import eventually

pytestmark = pytest.mark.slow

WORDS = 97
SIZE: dict[str, Any] = {
    "vocab_size": WORDS,
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
    "gpt2": GPT2Config(vocab_size=WORDS, n_positions=2048, n_embd=32, n_layer=2, n_head=4, eos_token_id=2),
    "llama": LlamaConfig(**SIZE),
    "mistral, a sliding window of 8": MistralConfig(**SIZE, sliding_window=8),
    "gemma3, sliding and full layers": Gemma3TextConfig(
        **SIZE, head_dim=8, sliding_window=8, layer_types=["sliding_attention", "full_attention"]
    ),
    "opt, learned positions": OPTConfig(
        vocab_size=WORDS, hidden_size=32, ffn_dim=64, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32
    ),
    "bloom, no positions": BloomConfig(vocab_size=WORDS, hidden_size=32, n_layer=2, n_head=4),
    "qwen3-next, a state": Qwen3NextConfig(
        **SIZE, head_dim=8, layer_types=["linear_attention", "full_attention"], num_experts=4, num_experts_per_tok=2,
        moe_intermediate_size=16, shared_expert_intermediate_size=16, linear_num_key_heads=2, linear_num_value_heads=2,
        linear_key_head_dim=8, linear_value_head_dim=8,
    ),
}  # fmt: skip


def make(config: PreTrainedConfig) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    for parameter in model.parameters():
        # Larger than a new model's, so that each token has its say in what comes next.
        parameter.data += torch.randn_like(parameter) * 0.2
    return model


@pytest.fixture(scope="module", params=CONFIGS)
def model(request) -> Any:
    return make(CONFIGS[request.param])


@pytest.fixture(scope="module")
def llama() -> Any:
    return make(CONFIGS["llama"])


@pytest.fixture
def begin():
    threads = []

    def make_batcher(model: Any, timeout: float = 60, budget: int = 100_000) -> ContinuousBatcher:
        threads.append(ModelThread("tiny"))
        return ContinuousBatcher("local:tiny", model, threads[-1], timeout=timeout, budget=budget)

    yield make_batcher
    for thread in threads:
        thread.close()


def decode(tokens: Sequence[int]) -> str:
    return "".join(f"<{token}>" for token in tokens)


def row(model: Any, prompt: Sequence[int], limit: int = 10, **more: Any) -> Row:
    sampling = {name: more.pop(name, None) for name in ("temperature", "seed", "grammar")}
    sampler = make_sampler(model, len(prompt), **sampling)
    stops = StopTexts(decode, more.pop("stop", ()))
    return Row(prompt=list(prompt), limit=limit, sampler=sampler, end_tokens=[2], stops=stops, **more)


def prompts(*lengths: int) -> list[list[int]]:
    chosen = random.Random(0)
    return [[chosen.randrange(3, WORDS) for _ in range(length)] for length in lengths]


def alone(model: Any, prompt: Sequence[int], limit: int) -> list[int]:
    """What Transformers itself writes."""
    ids = torch.tensor([list(prompt)])
    config = GenerationConfig(max_new_tokens=limit, do_sample=False, eos_token_id=2, pad_token_id=0)
    return model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=config)[0, len(prompt) :].tolist()


async def write_all(batcher: ContinuousBatcher, rows: Sequence[Row], steps_between: int = 0) -> None:
    async def later(number: int, each: Row) -> None:
        for _ in range(number * steps_between):
            await asyncio.sleep(0.002)
        await batcher.write(each)

    await asyncio.gather(*(later(number, each) for number, each in enumerate(rows)))


@pytest.mark.parametrize("between", [0, 3], ids=["at once", "one after the other"])
async def test_each_is_what_transformers_writes_alone(model, begin, between):
    asked = list(zip(prompts(3, 40, 7, 1, 9, 100, 12, 5), [30, 12, 25, 18, 1, 9, 33, 21], strict=True))
    rows = [row(model, prompt, limit) for prompt, limit in asked]
    await write_all(begin(model), rows, between)
    assert [each.written for each in rows] == [alone(model, prompt, limit) for prompt, limit in asked]
    assert {each.finish_reason for each in rows} <= {"length", "stop"}


async def test_a_long_prompt_is_read_in_pieces(model, begin, monkeypatch):
    monkeypatch.setattr(stepping, "_CHUNK", 16)
    asked = prompts(150, 120, 4)
    rows = [row(model, prompt, 12) for prompt in asked]
    await write_all(begin(model), rows)
    assert [each.written for each in rows] == [alone(model, prompt, 12) for prompt in asked]


async def test_a_short_one_does_not_wait_for_a_long_one(llama, begin):
    batcher = begin(llama)
    long, short = row(llama, [5, 6, 7], 1500), row(llama, [8, 9], 5)
    long.end_tokens = ()
    writing = asyncio.create_task(batcher.write(long))
    await eventually(lambda: len(long.written) > 20)
    await batcher.write(short)
    assert not long.ended
    writing.cancel()


async def test_a_seed_gives_the_same_alone_and_in_company(llama, begin):
    asked = [(prompt, seed) for prompt in prompts(4, 9) for seed in (1, 2)]
    rows = [row(llama, prompt, 20, temperature=1.3, seed=seed) for prompt, seed in asked]
    await write_all(begin(llama), rows, 2)
    assert len({tuple(each.written) for each in rows}) == len(rows)
    for each, (prompt, seed) in zip(rows, asked, strict=True):
        torch.manual_seed(seed)
        config = GenerationConfig(max_new_tokens=20, do_sample=True, temperature=1.3, eos_token_id=2, pad_token_id=0)
        expected = llama.generate(torch.tensor([prompt]), generation_config=config)[0, len(prompt) :].tolist()
        assert each.written == expected


async def test_the_model_s_own_generation_config_is_followed(llama, begin):
    prompt = prompts(6)[0]
    plain = alone(llama, prompt, 20)
    llama.generation_config.repetition_penalty = 5.0
    try:
        penalized = row(llama, prompt, 20)
        await write_all(begin(llama), [penalized, row(llama, prompts(3)[0])])
        ids = torch.tensor([prompt])
        expected = llama.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=20, do_sample=False)
    finally:
        llama.generation_config.repetition_penalty = None
    assert penalized.written == expected[0, len(prompt) :].tolist()
    assert penalized.written != plain


async def test_a_stop_text_ends_its_own_row(llama, begin):
    prompt = prompts(6)[0]
    whole = alone(llama, prompt, 20)
    stopped, other = row(llama, prompt, 20, stop=["never", decode(whole[3:5])[1:-1]]), row(llama, prompt, 20)
    await write_all(begin(llama), [stopped, other])
    assert (stopped.written, stopped.finish_reason) == (whole[:5], "stop")
    assert other.written == whole


async def test_who_leaves_makes_room_before_the_next_step(llama, begin):
    batcher = begin(llama, budget=2000)
    leaving, staying = row(llama, [5, 6, 7], 1500), row(llama, [8, 9], 1500)
    leaving.end_tokens = staying.end_tokens = ()
    calls = [asyncio.create_task(batcher.write(each)) for each in (leaving, staying)]
    await eventually(lambda: len(leaving.written) > 5)
    assert not staying.written, "there is no room for both"
    calls[0].cancel()
    await eventually(lambda: len(staying.written) > 5)
    written = len(leaving.written)
    await eventually(lambda: len(staying.written) > 15)
    assert len(leaving.written) == written
    calls[1].cancel()
    await eventually(batcher._serving.done)
    assert not batcher._running


async def test_what_goes_wrong_with_one_is_its_own(llama, begin):
    def fail(*_: Any) -> None:
        raise ArithmeticError("no token is left")

    spoilt, whole = row(llama, [5, 6], grammar=fail), row(llama, [7, 8])
    batcher = begin(llama)
    results = await asyncio.gather(batcher.write(spoilt), batcher.write(whole), return_exceptions=True)
    assert [type(each) for each in results] == [ArithmeticError, type(None)]
    assert whole.written == alone(llama, [7, 8], 10)


@pytest.mark.parametrize("words", ["can't allocate memory", "something else"])
async def test_too_much_at_once_is_halved_and_goes_on(llama, begin, monkeypatch, words):
    forward = llama.forward

    def narrow(ids: torch.Tensor, **more: Any) -> Any:
        if ids.shape[0] > 2:
            raise RuntimeError(f"DefaultCPUAllocator: {words}")
        return forward(ids, **more)

    monkeypatch.setattr(narrow, "__signature__", inspect.signature(forward), raising=False)
    monkeypatch.setattr(llama, "forward", narrow)
    asked = prompts(5, 6, 7, 8, 9)
    rows = [row(llama, prompt) for prompt in asked]
    batcher = begin(llama)
    await write_all(batcher, rows)
    monkeypatch.undo()
    assert [each.written for each in rows] == [alone(llama, prompt, 10) for prompt in asked]


async def test_one_alone_that_is_too_much_is_told_so(llama, begin, monkeypatch):
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 7 bytes")

    batcher = begin(llama)
    monkeypatch.setattr(llama, "forward", full)
    with pytest.raises(Unavailable, match="ran out of memory"):
        await batcher.write(row(llama, [5]))
    monkeypatch.undo()
    await batcher.write(row(llama, [5]))


async def test_the_time_that_others_take_does_not_count(llama, begin, monkeypatch):
    """Ten in a step that takes a second have each taken a tenth."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(continuous.time, "perf_counter", lambda: float(next(ticks)))
    batcher = begin(llama, timeout=10.5)
    company = [row(llama, [5, 6], 10) for _ in range(10)]
    await write_all(batcher, company)
    single = row(llama, [5, 6], 12)
    single.end_tokens = ()
    with pytest.raises(Unavailable, match=r"longer than 10\.5 s"):
        await batcher.write(single)


PIECES = ["a", "é", " ", "  b", "\n", "STOP", "ST", "OP", "🙂", " x", "\ufffd"]


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from([(), ("STOP",), ("b\n", "x")]))
@settings(deadline=None)
def test_the_pieces_are_the_completion(words, stop):
    """As tokens: the bytes of the text, so that a character may take several."""
    tokens = list("".join(words).encode())

    def as_text(some: Sequence[int]) -> str:
        return bytes(some).decode(errors="replace")

    said: list[str] = []
    showing = Showing(as_text, stop, said.append)
    for written in range(1, len(tokens)):
        showing.add(tokens[:written])
        so_far = as_text(tokens[:written]).strip()
        assert len("".join(said)) <= len(so_far)
    showing.end(tokens)
    assert "".join(said) == cut_at_stop(as_text(tokens), stop)[0].strip()
