"""Extraction by questions."""

from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput, Unsupported
from carteiro.models.results import ExtractedAnswer
from carteiro.schemas import Usage
from tests.unit.services.conftest import TASKS
from tests.unit.services.fake_small_model import FakeSmallModel

TEXT = "Lena, aged 29, lives at 7.5 Mill Lane, Vienna."
ANSWERS = {
    "What is the name of the person?": "Lena",
    "What is the age?": "aged 29",
    "What is the home city?": "Vienna",
    "What is the home number?": "at 7.5 Mill Lane",
    "What is the floor?": "Mill Lane",
}


class Reader(FakeSmallModel):
    def __init__(self) -> None: ...

    async def find_answer(self, question: str, context: str) -> ExtractedAnswer:
        answer = ANSWERS.get(question)
        start = context.index(answer) if answer else None
        end = None if answer is None or start is None else start + len(answer)
        return ExtractedAnswer(start, end, 0.9, Usage(input_tokens=1))


async def extract(properties: dict[str, Any], **more: Any) -> Any:
    fields = {"type": "object", "properties": properties, **more}
    request = TASKS["extract"].request.model_validate({"text": TEXT, "fields": fields})
    return (await TASKS["extract"].run(request, Reader())).result


async def test_field_becomes_a_question() -> None:
    home = {"type": "object", "properties": {"city": {"type": "string"}, "number": {"type": "number"}}}
    result = await extract(
        {"name": {"type": "string", "description": "name of the person"}, "age": {"type": "integer"}, "home": home}
    )
    assert result.data == {"name": "Lena", "age": 29, "home": {"city": "Vienna", "number": 7.5}}
    assert {path: TEXT[slice(*span)] for path, span in result.spans.items()} == {
        "name": "Lena",
        "age": "29",
        "home.city": "Vienna",
        "home.number": "7.5",
    }


async def test_field_without_an_answer_is_left_out_or_null() -> None:
    result = await extract(
        {"job": {"type": "string"}, "pet": {"type": ["string", "null"]}, "floor": {"type": "integer"}}
    )
    assert (result.data, result.spans) == ({"pet": None}, {})
    with pytest.raises(InvalidOutput, match="does not follow fields"):
        await extract({"job": {"type": "string"}}, required=["job"])


@pytest.mark.parametrize("field", [{"type": "array"}, {"type": "boolean"}, {"enum": ["a"]}, True])
async def test_field_that_no_answer_can_fill_is_unsupported(field: Any) -> None:
    with pytest.raises(Unsupported, match="finds only texts and numbers, not 'x'"):
        await extract({"x": field})
