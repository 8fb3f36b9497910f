"""The chat task: the model gets the conversation, and the passages of a collection if the request names one.

The worker has already added stored earlier messages.
"""

from carteiro.models.interface import ChatModel
from carteiro.models.prompt import Message
from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.schemas.collection import Passage
from carteiro.tasks.messages import prompt_message
from carteiro.tasks.passages import with_fewer_passages
from carteiro.tasks.task import Task, TaskOutput, build_prompt
from carteiro.tasks.tools import checked_calls, complete_request
from services.chat.grounded import find_sources, fit_request_passages, grounded_messages


async def chat(request: ChatRequest, model: ChatModel) -> TaskOutput[ChatResult]:
    """Generate the next message of the assistant."""
    if request.collection is None:
        return await _continue(request, model, list(map(prompt_message, request.messages)))

    async def ask(passages: tuple[Passage, ...]) -> TaskOutput[ChatResult]:
        return await _continue(request, model, grounded_messages(request, passages), passages)

    return await with_fewer_passages(await fit_request_passages(request, model), ask)


async def _continue(
    request: ChatRequest, model: ChatModel, messages: list[Message], passages: tuple[Passage, ...] = ()
) -> TaskOutput[ChatResult]:
    completion = await complete_request(request, model, build_prompt(request, messages))
    sources = await find_sources(completion.text, passages) if passages else []
    answer = ChatAnswer(content=completion.text, tool_calls=checked_calls(completion))
    result = ChatResult(message=answer, sources=sources)
    return TaskOutput(result, completion.usage, completion.finish_reason, completion.reasoning)


task = Task(request=ChatRequest, run=chat, abilities=(ChatModel,), ordered_by_key=True, keeps_conversations=True)
