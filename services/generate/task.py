"""generate: one prompt, one completion; with a JSON Schema, one that is data of that shape."""

from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from carteiro.models.failures import InvalidOutput, InvalidPrompt
from carteiro.models.interface import ChatModel, Message
from carteiro.models.structured import parse_json
from carteiro.schemas import GenerateRequest, GenerateResult
from carteiro.worker.task import Done, Task, complete, prompt


async def generate(request: GenerateRequest, model: ChatModel) -> Done[GenerateResult]:
    """Write what the prompt asks for. Raises `InvalidPrompt` for a schema that is none, `InvalidOutput`."""
    schema = request.json_schema
    validator = _validator(schema) if schema is not None else None
    messages = [Message("system", request.system)] if request.system else []
    messages.append(Message("user", request.prompt))
    completion = await complete(model, prompt(request, messages, stop=request.stop, json_schema=schema))
    data = None
    if validator:
        data = _parse(completion.text, validator, cut=completion.finish_reason == "length")
    return Done(GenerateResult(text=completion.text, data=data), completion.usage, completion.finish_reason)


def _validator(schema: dict[str, Any]) -> Draft202012Validator:
    # The schema is a stranger's: it may fetch nothing, and its patterns run in linear time.
    try:
        return Draft202012Validator(schema, offline=True, pattern_options=RegexOptions())
    except ValidationError as error:
        path = "".join(f".{step}" for step in error.instance_path)
        raise InvalidPrompt(f"json_schema{path}: {error.message}") from None


def _parse(text: str, validator: Draft202012Validator, *, cut: bool) -> Any:
    try:
        data = parse_json(text)
    except InvalidOutput:
        reason = "it was cut by the limit of output tokens" if cut else "it is not JSON"
        raise InvalidOutput(f"the model's completion does not follow json_schema: {reason}") from None
    try:
        validator.validate(data)
    except ValidationError as error:
        path = ".".join(map(str, error.instance_path)) or "the root"
        raise InvalidOutput(f"the model's completion does not follow json_schema at {path}") from None
    return data


task = Task(request=GenerateRequest, run=generate, abilities=(ChatModel,))
