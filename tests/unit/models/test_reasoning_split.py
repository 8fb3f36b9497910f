"""Thinking is separated from the answer of a whole completion."""

import pytest

from carteiro.models.reasoning import ReasoningState, start_state_after_prompt
from carteiro.models.reasoning_split import ReasoningSplit, split_reasoning

BLOCKS = {
    "tag": "<think>Hm, a capital.</think>\n\nLisbon.",
    "upper case": "<THINK>Hm, a capital.</Think>Lisbon.",
    "thinking": "\n<thinking>Hm, a capital.</thinking>\nLisbon.",
    "reasoning": "<reasoning>Hm, a capital.</reasoning> Lisbon.",
    "thought": "<thought>\nHm, a capital.\n</thought>\nLisbon.",
    "magistral": "[THINK]Hm, a capital.[/THINK]Lisbon.",
    "kimi": "◁think▷Hm, a capital.◁/think▷Lisbon.",
    "cohere": "<|START_THINKING|>Hm, a capital.<|END_THINKING|>Lisbon.",
    "no opening": "Hm, a capital.\n</think>\n\nLisbon.",
    "no opening, other name": "Hm, a capital.[/THINK]Lisbon.",
    "channels": "<|channel|>analysis<|message|>Hm, a capital.<|end|>"
    "<|start|>assistant<|channel|>final<|message|>Lisbon.<|return|>",
    "channels without marks": "analysisHm, a capital.assistantfinalLisbon.",
    "answer in a tag": "<think>Hm, a capital.</think>\n<answer>\nLisbon.\n</answer>",
    "solution": "<|begin_of_thought|>Hm, a capital.<|end_of_thought|>\n\n"
    "<|begin_of_solution|>Lisbon.<|end_of_solution|>",
    "response": "<|START_THINKING|>Hm, a capital.<|END_THINKING|><|START_RESPONSE|>Lisbon.<|END_RESPONSE|>",
    "byte order mark": "\ufeff<think>Hm, a capital.</think>Lisbon.",
}


@pytest.mark.parametrize("text", BLOCKS.values(), ids=BLOCKS)
def test_thinking_is_split_off(text: str) -> None:
    assert split_reasoning(text) == ReasoningSplit("Lisbon.", "Hm, a capital.", unfinished=False)


def test_several_blocks_are_all_thinking() -> None:
    text = "<think>One.</think>\n<think>Two.</think><reasoning>Three.</reasoning>\nLisbon."
    assert split_reasoning(text) == ReasoningSplit("Lisbon.", "One.\n\nTwo.\n\nThree.", unfinished=False)


def test_empty_block_leaves_the_answer() -> None:
    for text in ("<think>\n\n</think>\n\nLisbon.", "</think>Lisbon."):
        assert split_reasoning(text) == ReasoningSplit("Lisbon.", None, unfinished=False)


@pytest.mark.parametrize("text", ["<think>Hm", "<think>Hm</thin", "analysisHm", "<|channel|>analysis<|message|>Hm"])
def test_cut_thinking_is_not_an_answer(text: str) -> None:
    split = split_reasoning(text)
    assert (split.answer, split.unfinished) == ("", True)
    assert split.reasoning


@pytest.mark.parametrize(
    "text",
    [
        "Lisbon.",
        "<answer>Lisbon.</answer>",
        "\n\nLisbon. \n",
        "",
        "   ",
        "The `<think>` tag opens thinking, `</think>` ends it.",
        "End it with `</think>`.",
        'Split at "</think>" and take the rest.',
        "text.split('</think>')",
        "`re.sub('.*</think>', '', text)`",
        "```python\nrest = text.partition(END)  # </think>\n```",
        '{"text": "Thinking ends with </think> here."}',
        "Use <think>x</think> so.",
        "<thinker> is no tag.",
        "< think > is no tag.",
        "analysis of the text: it is short.",
        "analysis",
        "assistantfinal",
        "A <b>bold</b> word, 1 < 2 and [1] too.",
        "<",
        "<|chan",
    ],
)
def test_text_about_marks_is_left_whole(text: str) -> None:
    assert split_reasoning(text) == ReasoningSplit(text, None, unfinished=False)


def test_thinking_opened_by_the_prompt_is_split_off() -> None:
    for end in ("<think>\n", "<think>", "[THINK]", "<thinking>\n\n"):
        assert start_state_after_prompt(f"<|im_start|>assistant\n{end}") is ReasoningState.REASONING
    assert start_state_after_prompt("<|im_start|>assistant\n") is ReasoningState.ANSWER
    assert split_reasoning("Hm.\n</think>Yes.", ReasoningState.REASONING) == ReasoningSplit(
        "Yes.", "Hm.", unfinished=False
    )
    assert split_reasoning("Hm.", ReasoningState.REASONING) == ReasoningSplit("", "Hm.", unfinished=True)


def test_thinking_possibly_opened_by_the_prompt_is_split_off() -> None:
    assert split_reasoning("Yes.", ReasoningState.UNKNOWN) == ReasoningSplit("Yes.", None, unfinished=False)
    assert split_reasoning("Hm, ", ReasoningState.UNKNOWN, cut=True) == ReasoningSplit("", "Hm,", unfinished=True)
    assert split_reasoning('{"a": ', ReasoningState.UNKNOWN, cut=True).answer == '{"a": '
    about = "They ask for <think>.</think>It is a tag."
    assert split_reasoning(about, ReasoningState.UNKNOWN) == ReasoningSplit(
        "It is a tag.", "They ask for <think>.", unfinished=False
    )
