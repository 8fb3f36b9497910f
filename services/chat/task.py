"""chat: the conversation goes to the model as it is; what a worker keeps of it stands in the request by then."""

from carteiro.models.interface import ChatModel, Message
from carteiro.schemas import ChatAnswer, ChatRequest, ChatResult
from carteiro.worker.task import Done, Task, complete, prompt


async def chat(request: ChatRequest, model: ChatModel) -> Done[ChatResult]:
    """Take the assistant's turn."""
    messages = [Message(message.role, message.content) for message in request.messages]
    completion = await complete(model, prompt(request, messages))
    result = ChatResult(message=ChatAnswer(content=completion.text))
    return Done(result, completion.usage, completion.finish_reason)


task = Task(request=ChatRequest, run=chat, abilities=(ChatModel,), by_key=True, streams=True, keeps_conversations=True)
