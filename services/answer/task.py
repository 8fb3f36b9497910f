"""The answer task: an answer only from the given context or passages, or the statement that they have no answer."""

import asyncio
from functools import reduce
from operator import add
from typing import Any

from pydantic import BaseModel, ConfigDict, StrictBool

from carteiro.models.file_support import unsupported_files
from carteiro.models.interface import ChatModel, EmbeddingModel, QuestionAnsweringModel
from carteiro.models.json_output import parse_json_output
from carteiro.schemas import Usage
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.tasks.messages import user_message
from carteiro.tasks.task import Task, TaskOutput, build_prompt, complete_as
from services.answer.cited import answer_with_quotes
from services.answer.extractive import answer_by_similarity
from services.answer.material import NOT_FOUND, PassageSpan, answer_at, passages_to_read
from services.answer.model_json import known_fields, validate
from services.answer.small_model import answer_with_small_model


class _ModelAnswer(BaseModel):
    """The JSON that the prompt asks for."""

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    found: StrictBool
    answer: str
    quote: str


_PROMPT = """\
Answer the question from the {material} and from nothing else. Reply with JSON alone: {{"found": true or false, \
"answer": the answer in a few words, "quote": the words of the {material} that it comes from, unchanged}}. \
If the {material} does not answer the question, found is false and the others are empty.

{context}Question: {question}"""


async def answer(
    request: AnswerRequest, model: EmbeddingModel | QuestionAnsweringModel | ChatModel
) -> TaskOutput[AnswerResult]:
    """Answer the question from its context, or from the passages that were found for it.

    Raise `InvalidOutput` if the output of a chat model is not the requested JSON, and `Unsupported` if a model takes no
    attachments.
    """
    if request.attachments and (not isinstance(model, ChatModel) or model.is_small):
        raise unsupported_files(model.name)
    if not request.attachments and not passages_to_read(request):
        return TaskOutput(NOT_FOUND, Usage())
    if isinstance(model, EmbeddingModel):
        return await answer_by_similarity(request, model)
    if isinstance(model, QuestionAnsweringModel):
        return await _extract_answer(request, model)
    if model.is_small:
        return await answer_with_small_model(request, model)
    if request.collection is not None:
        return await answer_with_quotes(request, model)
    return await _answer_from_context(request, model)


async def _answer_from_context(request: AnswerRequest, model: ChatModel) -> TaskOutput[AnswerResult]:
    messages = [user_message(_prompt_text(request), request.attachments)]
    model_answer, completion = await complete_as(
        model, build_prompt(request, messages, json_schema=_ModelAnswer.model_json_schema()), _parse_answer
    )
    text, quote = model_answer.answer.strip(), model_answer.quote.strip()
    if not model_answer.found or not text:
        return TaskOutput(NOT_FOUND, completion.usage, completion.finish_reason)
    if request.context is None:
        result = AnswerResult(found=True, answer=text)
    else:
        span = _find_span(quote, request.context) or _find_span(text, request.context)
        result = answer_at(request, text, [span] if span else [])
    return TaskOutput(result, completion.usage, completion.finish_reason)


def _prompt_text(request: AnswerRequest) -> str:
    names = ["context"] * (request.context is not None) + ["attached material"] * bool(request.attachments)
    context = "" if request.context is None else f"Context:\n{request.context}\n\n"
    return _PROMPT.format(material=" and the ".join(names), context=context, question=request.question)


async def _extract_answer(request: AnswerRequest, model: QuestionAnsweringModel) -> TaskOutput[AnswerResult]:
    """Answer with the span of which the model is most certain, over all passages."""
    passages = passages_to_read(request)
    found = await asyncio.gather(*(model.find_answer(request.question, each.text) for each in passages))
    usage = reduce(add, (each.usage for each in found))
    best = max(range(len(found)), key=lambda number: (found[number].start is not None, found[number].score))
    start, end = found[best].start, found[best].end
    if start is None or end is None:
        return TaskOutput(NOT_FOUND, usage)
    return TaskOutput(answer_at(request, passages[best].text[start:end], [PassageSpan(best, start, end)]), usage)


async def _parse_answer(text: str) -> _ModelAnswer:
    return parse_json_output(text, _validate_answer)[0]


def _validate_answer(data: Any) -> _ModelAnswer:
    """Return the answer; also accepts additional fields, "true" for true, and null for an empty text."""
    if isinstance(data, dict):
        fields = known_fields(data, _ModelAnswer)
        # The quote is always optional, and the answer is optional if `found` is false.
        optional = ("quote",) if fields.get("found") else ("quote", "answer")
        data = fields | {name: "" for name in optional if fields.get(name) is None}
    return validate(data, _ModelAnswer)


def _find_span(quote: str, context: str) -> PassageSpan | None:
    start = context.find(quote) if quote else -1
    return PassageSpan(0, start, start + len(quote)) if start >= 0 else None


task = Task(
    request=AnswerRequest,
    run=answer,
    abilities=(EmbeddingModel, QuestionAnsweringModel, ChatModel),
    default_model="local:minilm",
)
