"""generate: one prompt, one completion; with a JSON Schema, one that is data of that shape."""

from carteiro.models.interface import ChatModel, Message
from carteiro.models.structured import reader
from carteiro.schemas import GenerateRequest, GenerateResult
from carteiro.worker.task import Done, Task, complete, complete_as, prompt


async def generate(request: GenerateRequest, model: ChatModel) -> Done[GenerateResult]:
    """Write what the prompt asks for. Raises `InvalidPrompt` for a schema that is none, `InvalidOutput`."""
    schema = request.json_schema
    read = reader(schema) if schema is not None else None
    messages = [Message("system", request.system)] if request.system else []
    messages.append(Message("user", request.prompt))
    asked = prompt(request, messages, stop=request.stop, json_schema=schema)
    if read is None:
        data, completion = None, await complete(model, asked)
    else:
        data, completion = await complete_as(model, asked, read)
    return Done(GenerateResult(text=completion.text, data=data), completion.usage, completion.finish_reason)


task = Task(request=GenerateRequest, run=generate, abilities=(ChatModel,), streams=True)
