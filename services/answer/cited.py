"""Answers of a chat model from passages, with quotations that are checked."""

import asyncio
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictBool

from carteiro.models.interface import ChatModel
from carteiro.models.json_output import parse_json_output
from carteiro.models.prompt import Message
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.schemas.collection import Passage
from carteiro.tasks.passages import PASSAGE_RULE, fit_passages, passage_lines, with_fewer_passages
from carteiro.tasks.task import TaskOutput, build_prompt, complete_as
from carteiro.text.quotation import find_quotation
from services.answer.material import NOT_FOUND, PassageSpan, answer_at
from services.answer.model_json import known_fields, validate

_MAX_QUOTES = 10

_RULES = f"""\
Answer the question from the passages and from nothing else. {PASSAGE_RULE} Reply with JSON alone: {{"found": true or \
false, "answer": the answer in a few words, "quotes": [{{"passage": its number, "quote": the words of the passage that \
the answer comes from, unchanged}}]}}. If no passage answers the question, found is false and the others are empty."""

_PROMPT = """\
{rules}

Passages, one JSON object a line:
{passages}

Question: {question}"""


class _Quote(BaseModel):
    model_config = ConfigDict(extra="forbid")

    passage: int
    quote: str


class _CitedAnswer(BaseModel):
    """The JSON that the prompt asks for."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    found: StrictBool
    answer: str
    quotes: list[_Quote]


async def answer_with_quotes(request: AnswerRequest, model: ChatModel) -> TaskOutput[AnswerResult]:
    """Answer from the passages that fit the model's context, the best ones first.

    A quotation that does not stand in a passage is left out. An answer that has no other is not found.

    Raise `InvalidOutput` if the output is not the requested JSON, and what the model raises.
    """
    limit = request.options.max_output_tokens
    fitting = await fit_passages(request.passages, model, [_RULES, request.question], limit)

    async def ask(passages: tuple[Passage, ...]) -> TaskOutput[AnswerResult]:
        content = _PROMPT.format(rules=_RULES, passages=passage_lines(passages), question=request.question)
        prompt = build_prompt(request, [Message("user", content)], json_schema=_CitedAnswer.model_json_schema())
        cited, completion = await complete_as(model, prompt, _parse_answer)
        text = cited.answer.strip()
        spans = await asyncio.to_thread(_spans, cited, passages) if cited.found and text else []
        result = answer_at(request, text, spans) if spans else NOT_FOUND
        return TaskOutput(result, completion.usage, completion.finish_reason)

    return await with_fewer_passages(fitting, ask)


def _spans(cited: _CitedAnswer, passages: tuple[Passage, ...]) -> list[PassageSpan]:
    """Return the different spans of the quotations, or of the answer itself if no quotation stands in a passage."""
    quotes = [(each.quote, each.passage - 1) for each in cited.quotes[:_MAX_QUOTES]]
    found = [span for quote, passage in quotes if (span := _find(quote, passages, passage))]
    if not found and (span := _find(cited.answer, passages, 0)):
        found = [span]
    return list(dict.fromkeys(found))


def _find(quote: str, passages: tuple[Passage, ...], preferred: int) -> PassageSpan | None:
    """Return the span of a quotation: in the passage that the model named, or in another one."""
    for number in sorted(range(len(passages)), key=lambda each: each != preferred):
        if span := find_quotation(quote, passages[number].text):
            return PassageSpan(number, *span)
    return None


async def _parse_answer(text: str) -> _CitedAnswer:
    return parse_json_output(text, _validate_answer)[0]


def _validate_answer(data: Any) -> _CitedAnswer:
    """Return the answer; also accepts additional fields, and null or nothing for an empty answer."""
    if isinstance(data, dict):
        fields = known_fields(data, _CitedAnswer)
        empty = {"quotes": []} if fields.get("found") else {"quotes": [], "answer": ""}
        data = fields | {name: value for name, value in empty.items() if fields.get(name) is None}
        if isinstance(data["quotes"], list):
            data["quotes"] = [each for each in map(_readable_quote, data["quotes"]) if each]
    return validate(data, _CitedAnswer)


def _readable_quote(quote: Any) -> dict[str, Any] | None:
    """Return a quotation of the model; only a text has no number of a passage."""
    if isinstance(quote, str):
        return {"passage": 0, "quote": quote}
    if isinstance(quote, dict) and isinstance(quote.get("quote"), str):
        return {
            "passage": quote.get("passage") if isinstance(quote.get("passage"), int) else 0,
            "quote": quote["quote"],
        }
    return None
