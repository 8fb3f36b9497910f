"""generate: one prompt, one completion; with a JSON Schema, one that is data of that shape."""

from functools import partial
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from carteiro.models.failures import InvalidOutput, InvalidPrompt
from carteiro.models.interface import ChatModel, Message
from carteiro.models.structured import parse_json
from carteiro.schemas import GenerateRequest, GenerateResult
from carteiro.worker.task import Done, Task, complete, complete_as, prompt

_LONGEST_REASON = 300
"""The reason quotes what the model wrote, in characters."""


async def generate(request: GenerateRequest, model: ChatModel) -> Done[GenerateResult]:
    """Write what the prompt asks for. Raises `InvalidPrompt` for a schema that is none, `InvalidOutput`."""
    schema = request.json_schema
    validator = _validator(schema) if schema is not None else None
    messages = [Message("system", request.system)] if request.system else []
    messages.append(Message("user", request.prompt))
    asked = prompt(request, messages, stop=request.stop, json_schema=schema)
    if validator is None:
        data, completion = None, await complete(model, asked)
    else:
        data, completion = await complete_as(model, asked, partial(_parse, validator))
    return Done(GenerateResult(text=completion.text, data=data), completion.usage, completion.finish_reason)


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    # The schema is a stranger's: it may fetch nothing, and its patterns run in linear time.
    try:
        return Draft202012Validator(schema, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        path = "".join(f".{step}" for step in error.instance_path)
        raise InvalidPrompt(f"json_schema{path}: {error.message}") from None


def _parse(validator: Draft202012Validator, text: str) -> Any:
    try:
        data = parse_json(text)
    except InvalidOutput:
        raise InvalidOutput("the model's completion does not follow json_schema: it is not JSON") from None
    try:
        validator.validate(data)
    except ValidationError as error:
        path = ".".join(map(str, error.instance_path)) or "the root"
        reason = error.message if len(error.message) <= _LONGEST_REASON else f"{error.message[:_LONGEST_REASON]}…"
        raise InvalidOutput(f"the model's completion does not follow json_schema at {path}: {reason}") from None
    return data


task = Task(request=GenerateRequest, run=generate, abilities=(ChatModel,), streams=True)
