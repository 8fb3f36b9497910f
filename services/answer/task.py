"""answer: from the context alone, or an honest no."""

from pydantic import BaseModel, ConfigDict, ValidationError

from carteiro.models.failures import InvalidOutput
from carteiro.models.interface import ChatModel, Message, ReaderModel
from carteiro.models.structured import parse_json
from carteiro.schemas import AnswerRequest, AnswerResult, Span
from carteiro.worker.task import Done, Task, complete_as, prompt
from services.answer.small import answer_by_sentence


class _Said(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    found: bool
    answer: str
    quote: str


_ASKED = """\
Answer the question from the context and from nothing else. Reply with JSON alone: {{"found": true or false, \
"answer": the answer in a few words, "quote": the words of the context that it comes from, unchanged}}. \
If the context does not answer the question, found is false and the others are empty.

Context:
{context}

Question: {question}"""


async def answer(request: AnswerRequest, model: ReaderModel | ChatModel) -> Done[AnswerResult]:
    """Answer the question. Raises `InvalidOutput`."""
    if isinstance(model, ReaderModel):
        return await _read_out(request, model)
    if model.small:
        return await answer_by_sentence(request, model)
    asked = _ASKED.format(context=request.context, question=request.question)
    messages = [Message("user", asked)]
    said, completion = await complete_as(model, prompt(request, messages, json_schema=_Said.model_json_schema()), _read)
    text, quote = said.answer.strip(), said.quote.strip()
    if not said.found or not text:
        return Done(AnswerResult(found=False), completion.usage, completion.finish_reason)
    span = _find(quote, request.context) or _find(text, request.context)
    return Done(AnswerResult(found=True, answer=text, span=span), completion.usage, completion.finish_reason)


async def _read_out(request: AnswerRequest, model: ReaderModel) -> Done[AnswerResult]:
    reading = await model.read(request.question, request.context)
    if reading.start is None or reading.end is None:
        return Done(AnswerResult(found=False), reading.usage)
    text = request.context[reading.start : reading.end]
    span = Span(start=reading.start, end=reading.end, text=text)
    return Done(AnswerResult(found=True, answer=text, span=span), reading.usage)


def _read(text: str) -> _Said:
    try:
        return _Said.model_validate(parse_json(text))
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the root'}: {each['msg']}" for each in error.errors())
        raise InvalidOutput(f"the model's completion is not the JSON that was asked for ({wrong})") from None


def _find(quote: str, context: str) -> Span | None:
    start = context.find(quote) if quote else -1
    return Span(start=start, end=start + len(quote), text=quote) if start >= 0 else None


task = Task(request=AnswerRequest, run=answer, abilities=(ReaderModel, ChatModel))
