"""A local reasoning model. Its weights are set by hand, so it writes a given text."""

from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from carteiro.models.errors import Unsupported
from carteiro.models.local.transformers.causal import TransformersCausalModel
from carteiro.models.prompt import ToolDefinition
from tests.unit.models.sample_models import load_model, user_prompt

pytestmark = pytest.mark.slow

CALL = '{"name":"clock"}'
WORDS = ["<end>", "user", "hm", "stop", "Lisbon", "it", "is", "<think>", "</think>", "[THINK]", "[/THINK]"]
WORDS += ["<tool_call>", CALL, "</tool_call>"]
PLAIN = "user {{ messages[0].content }}"
OPENING = f"{PLAIN} <think>"


def scripted_model(directory: Path, template: str, written: str) -> Path:
    """Save a model that writes these words after a prompt of two or three tokens; the position selects the word."""
    special = [word for word in WORDS if word.startswith("[")]
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<end>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<end>", unk_token="<end>", additional_special_tokens=special
    )
    fast.chat_template = template
    fast.save_pretrained(directory)
    config = GPT2Config(
        vocab_size=len(WORDS), n_positions=32, n_embd=16, n_layer=1, n_head=2, eos_token_id=0, bos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    prompt = 3 if template == OPENING else 2
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        model.transformer.ln_f.weight.fill_(1)
        model.transformer.wte.weight.copy_(torch.eye(len(WORDS), 16))
        for position, word in enumerate([*written.split(), "<end>"], start=prompt - 1):
            model.transformer.wpe.weight[position, WORDS.index(word)] = 10
    model.save_pretrained(directory)
    return directory


@pytest.fixture
def write(tmp_path):
    async def write(template: str, written: str, **options):
        model: TransformersCausalModel = await load_model(f"local:{scripted_model(tmp_path, template, written)}")
        pieces: list[str] = []
        done = await model.complete(user_prompt("hm", **options))
        assert await model.stream(user_prompt("hm", **options), pieces.append) == done
        await model.close()
        return done, "".join(pieces)

    return write


@pytest.mark.parametrize(
    ("template", "written"),
    [
        (PLAIN, "<think> hm it is </think> Lisbon"),
        (OPENING, "hm it is </think> Lisbon"),
        (PLAIN, "[THINK] hm it is [/THINK] Lisbon"),
    ],
)
async def test_reasoning_is_separate_and_not_streamed(write, template, written):
    done, shown = await write(template, written)
    assert (done.text, done.reasoning, done.finish_reason) == ("Lisbon", "hm it is", "stop")
    assert shown == "Lisbon"
    assert 0 < done.usage.reasoning_tokens <= done.usage.output_tokens


async def test_cut_reasoning_gives_no_answer(write):
    done, shown = await write(OPENING, "hm it is hm", max_output_tokens=3)
    assert (done.text, done.reasoning, done.finish_reason, shown) == ("", "hm it is", "length", "")


async def test_stop_text_in_reasoning_does_not_end_the_completion(write):
    done, shown = await write(OPENING, "hm stop hm </think> it is stop Lisbon", stop=["stop"])
    assert (done.text, done.finish_reason, shown) == ("it is", "stop", "it is")
    assert done.usage.output_tokens < 8, "it ends at the stop text"


async def test_call_of_a_tool_is_read_if_the_template_asks_for_it(write):
    tools = [ToolDefinition("clock")]
    done, shown = await write("{# tools: <tool_call> #}" + PLAIN, f"it is <tool_call> {CALL} </tool_call>", tools=tools)
    assert (done.text, shown, done.finish_reason) == ("it is", "it is", "tool_calls")
    assert [(call.name, call.arguments) for call in done.tool_calls] == [("clock", "")]
    with pytest.raises(Unsupported, match="cannot call tools"):
        await write(PLAIN, "it is", tools=tools)
