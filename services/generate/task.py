"""The generate task: one completion of one prompt, or JSON data if the request has a JSON Schema."""

from carteiro.models.caller_schema import CallerSchema
from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Message
from carteiro.schemas.generate import GenerateRequest, GenerateResult
from carteiro.tasks.messages import user_message
from carteiro.tasks.task import Task, TaskOutput, build_prompt, complete, complete_as
from carteiro.tasks.tools import checked_calls, complete_request


async def generate(request: GenerateRequest, model: ChatModel) -> TaskOutput[GenerateResult]:
    """Complete the prompt.

    Raise `InvalidPrompt` if a schema is not a JSON Schema, and `InvalidOutput` if the output does not follow it.
    """
    schema = request.json_schema
    caller_schema = CallerSchema(schema) if schema is not None else None
    if caller_schema is not None:
        await caller_schema.check()  # before a model call costs anything
    messages = [Message("system", request.system)] if request.system else []
    messages.append(user_message(request.prompt, request.attachments))
    prompt = build_prompt(request, messages, stop=request.stop or request.options.stop, json_schema=schema)
    if request.tools:
        completion = await complete_request(request, model, prompt)
        result = GenerateResult(text=completion.text, tool_calls=checked_calls(completion))
        return TaskOutput(result, completion.usage, completion.finish_reason, completion.reasoning)
    if caller_schema is None:
        completion = await complete(model, prompt)
        text, data = completion.text, None
    else:
        (data, text), completion = await complete_as(model, prompt, caller_schema.parse)
    result = GenerateResult(text=text, data=data)
    return TaskOutput(result, completion.usage, completion.finish_reason, completion.reasoning)


task = Task(request=GenerateRequest, run=generate, abilities=(ChatModel,))
