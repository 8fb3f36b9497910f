"""The chat task: the model gets the conversation unchanged. The worker has already added stored earlier messages."""

from carteiro.models.interface import ChatModel, Message
from carteiro.schemas.chat import ChatAnswer, ChatRequest, ChatResult
from carteiro.tasks.task import Task, TaskOutput, build_prompt, complete


async def chat(request: ChatRequest, model: ChatModel) -> TaskOutput[ChatResult]:
    """Generate the next message of the assistant."""
    messages = [Message(message.role, message.content) for message in request.messages]
    completion = await complete(model, build_prompt(request, messages))
    result = ChatResult(message=ChatAnswer(content=completion.text))
    return TaskOutput(result, completion.usage, completion.finish_reason, completion.reasoning)


task = Task(request=ChatRequest, run=chat, abilities=(ChatModel,), ordered_by_key=True, keeps_conversations=True)
