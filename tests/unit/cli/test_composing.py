"""Requests from what stands on a command line."""

import pytest

from carteiro.cli.composing import OptionInvalid, laid
from carteiro.schemas import REQUESTS

ALONE = {
    "generate": {"prompt": "A text."},
    "chat": {"messages": [{"role": "user", "content": "A text."}]},
    "answer": {"context": "A text."},
    "summarize": {"text": "A text."},
}


@pytest.mark.parametrize("task", ALONE)
def test_a_text_alone(task):
    assert laid(task, {}, {}, None).over("A text.") == ALONE[task]


def test_what_is_laid_over_a_request_wins_and_leaves_the_rest():
    over = laid("translate", {"target": "pt", "source": None}, {"wait": "24h", "model": None}, None)
    given = {"text": "Hi", "target": "de", "options": {"seed": 1, "wait": "1h"}}
    assert over.over(given) == {"text": "Hi", "target": "pt", "options": {"seed": 1, "wait": "24h"}}
    assert given["options"] == {"seed": 1, "wait": "1h"}, "another line may share it"


def test_what_is_no_object_is_left_for_the_check():
    assert laid("summarize", {}, {"seed": 1}, None).over({"text": "x", "options": 5})["options"] == 5
    assert laid("chat", {}, {}, "Be brief.").over({"messages": "x"}) == {"messages": "x"}


def test_standing_instructions():
    assert laid("generate", {}, {}, "Be brief.").over("x") == {"prompt": "x", "system": "Be brief."}
    messages = laid("chat", {}, {}, "Be brief.").over("x")["messages"]
    assert [each["role"] for each in messages] == ["system", "user"]


@pytest.mark.parametrize(
    ("task", "fields", "options", "says"),
    [
        ("summarize", {}, {"wait": "soon"}, "--wait: is not a number and s, m, h or d"),
        ("summarize", {}, {"wait": "0h"}, "--wait: "),
        ("summarize", {}, {"temperature": 9.0}, "options.temperature: "),
        ("translate", {"target": "portuguese"}, {}, "target: "),
        ("summarize", {"target": "pt"}, {}, "target: Extra inputs"),
    ],
)
def test_an_option_that_no_request_can_have(task, fields, options, says):
    with pytest.raises(OptionInvalid, match=says):
        laid(task, fields, options, None)


@pytest.mark.parametrize("task", REQUESTS)
def test_what_a_task_needs_is_not_asked_of_the_options(task):
    assert laid(task, {}, {"wait": "24h"}, None).options == {"wait": "24h"}
