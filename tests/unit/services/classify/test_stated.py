"""Scores by a chat model: stated, or by its tokens."""

import math
from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput, PromptTooLarge
from carteiro.schemas import Usage
from carteiro.schemas.classify import ClassifyRequest
from services.classify.stated import PartScores, combined
from tests.provider.completions import completion
from tests.unit.services.conftest import TOO_LONG

LABELS = [{"name": "Billing", "description": "charges", "examples": ["Charged twice."]}, "delivery", "defect", "other"]


def said(*labels: Any) -> str:
    return str(list(labels)).replace("'", '"').join(('{"labels": ', "}"))


async def test_request_has_the_labels_before_the_text_and_an_enum(ask, provider):
    done = await ask("classify", [said({"label": "Billing", "score": 0.9})], text="Why 49 euros?", labels=LABELS)
    assert (done.result.label, done.result.labels, done.result.score_type) == ("Billing", ["Billing"], "stated")
    assert done.result.scores == {"Billing": 0.9, "delivery": 0.0, "defect": 0.0, "other": 0.0}
    body = provider.requests[-1].body
    content = body["messages"][-1]["content"]
    assert content.index("Charged twice.") < content.index("Why 49 euros?")
    items = body["response_format"]["json_schema"]["schema"]["properties"]["labels"]
    assert items["items"]["properties"]["label"]["enum"] == ["Billing", "delivery", "defect", "other"]
    assert (items["minItems"], items["maxItems"]) == (1, 3)


@pytest.mark.parametrize("stated", [["billing"], [{"label": "BILLING", "score": 80}], [{"label": " Billing "}]])
async def test_label_in_another_form_is_accepted(ask, stated):
    assert (await ask("classify", [said(*stated)], text="x", labels=LABELS)).result.label == "Billing"


async def test_tokens_give_likelihoods_if_the_model_reports_them(ask, provider):
    answer = said({"label": "defect", "score": 0.9})
    text, rest = answer.split("defect")
    tokens = [{"token": text}, {"token": "def"}, {"token": f"ect{rest}"}]
    alternatives = {"def": 0.6, "Bill": 0.2, "deliver": 0.15, "x": 0.05}
    tokens[1]["top_logprobs"] = [{"token": each, "logprob": math.log(p)} for each, p in alternatives.items()]
    body = completion({"model": "echo"}, answer)
    body["choices"][0]["logprobs"] = {"content": tokens}
    provider.answer(body)
    done = await ask("classify", [], text="x", labels=LABELS)
    assert done.result.score_type == "likelihood"
    assert done.result.scores == pytest.approx({"Billing": 0.2105, "delivery": 0.1579, "defect": 0.6316, "other": 0})
    sent = provider.requests[-1].body
    assert (sent["logprobs"], sent["top_logprobs"]) == (True, 5)


async def test_several_labels_have_scores_of_their_own(ask, provider):
    stated = said({"label": "defect", "score": 0.7}, {"label": "Billing", "score": 1}, {"label": "other", "score": 0.2})
    done = await ask("classify", [stated], text="x", labels=LABELS, multiple=True)
    assert done.result.labels == ["Billing", "defect"]
    schema = provider.requests[-1].body["response_format"]["json_schema"]["schema"]["properties"]["labels"]
    assert (schema.get("minItems"), schema["maxItems"]) == (None, 4)
    assert "logprobs" not in provider.requests[-1].body


@pytest.mark.parametrize("option", ["multiple", "allow_none"])
async def test_empty_list_is_no_label(ask, option):
    done = await ask("classify", [said()], text="x", labels=LABELS, **{option: True})
    assert (done.result.label, done.result.labels) == (None, [])


@pytest.mark.parametrize(
    "output",
    [
        said(),
        said({"label": "weather", "score": 1}),
        said({"label": "other", "score": "high"}),
        said({"label": "other", "score": 0}),
        '{"label": "other"}',
        "other",
    ],
)
async def test_unusable_output_is_asked_for_again(ask, output):
    with pytest.raises(InvalidOutput):
        await ask("classify", [output, output], text="x", labels=LABELS)
    assert (await ask("classify", [output, said("other")], text="x", labels=LABELS)).result.label == "other"


@pytest.mark.parametrize(("score", "expected"), [("1" + "0" * 400, 1.0), ("-1e300", 0.0), ("7", 0.07), ("1e2", 1.0)])
async def test_any_number_is_a_score(ask, score, expected):
    answer = f'{{"labels": [{{"label": "other", "score": {score}}}, {{"label": "defect", "score": 1}}]}}'
    assert (await ask("classify", [answer], text="x", labels=LABELS)).result.scores["other"] == expected


@pytest.mark.parametrize("name", [" defect ", "caf\u00e9", "cafe\u0301", "\tCaf\u00c9"])
async def test_label_is_found_as_models_repeat_it(ask, name):
    said_name = name.strip().replace("e\u0301", "\u00e9")
    done = await ask("classify", [said({"label": said_name, "score": 1})], text="x", labels=[name, "other"])
    assert done.result.label == name


HALVES = "The cup is late. The lid is loose."
FIRST, SECOND = {"label": "delivery", "score": 1}, {"label": "defect", "score": 0.8}


@pytest.mark.parametrize(
    ("options", "label", "delivery", "defect"),
    [
        ({}, "delivery", 0.5, 0.4),
        ({"multiple": True}, "delivery", 1, 0.8),
        ({"allow_none": True}, "delivery", 1, 0.8),
    ],
)
async def test_text_that_is_too_long_is_scored_in_parts(ask, provider, options, label, delivery, defect):
    done = await ask("classify", [TOO_LONG, said(FIRST), said(SECOND)], text=HALVES, labels=LABELS, **options)
    assert done.result.label == label
    assert (done.result.scores["delivery"], done.result.scores["defect"]) == (delivery, defect)
    contents = [request.body["messages"][-1]["content"] for request in provider.requests[-2:]]
    assert "".join(content.partition("Text:\n")[2] for content in contents) == HALVES
    assert done.usage == Usage(input_tokens=2, output_tokens=2), "those of both parts"


async def test_label_that_fits_one_part_fits_the_text(ask):
    done = await ask("classify", [TOO_LONG, said(), said(SECOND)], text=HALVES, labels=LABELS, allow_none=True)
    assert (done.result.label, done.result.score_type) == ("defect", "stated")


async def test_labels_that_leave_no_room_are_too_large(ask):
    with pytest.raises(PromptTooLarge):
        await ask("classify", [TOO_LONG] * 12, text="A text.", labels=LABELS)


def test_likelihoods_of_parts_add_up_to_one_at_most() -> None:
    request = ClassifyRequest(text="x", labels=["a", "b"], allow_none=True)
    parts = [
        PartScores({"a": 0.9, "b": 0.1}, "likelihood", Usage(), 5),
        PartScores({"a": 0, "b": 0.9}, "likelihood", Usage(), 1),
    ]
    assert combined(request, parts) == {"a": 0.5, "b": 0.5}
    one = ClassifyRequest(text="x", labels=["a", "b"])
    assert combined(one, parts) == pytest.approx({"a": 4.5 / 6, "b": 1.4 / 6})
