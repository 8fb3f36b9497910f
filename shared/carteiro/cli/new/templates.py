"""What a new task begins with. `@name` is its name, `@Name` the same as a class begins."""

SCHEMA = '''"""@name: what it does, in a line."""

from typing import ClassVar

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import Request, Text, examples


class @NameResult(ReplySchema):
    """What comes back."""

    model_config = examples({"text": "THE TRAIN LEAVES AT NINE."})

    text: str


class @NameRequest(Request[@NameResult]):
    """What is asked."""

    model_config = examples({"text": "The train leaves at nine."})
    task: ClassVar = "@name"
    result: ClassVar = @NameResult

    text: Text
'''

TASK = '''"""@name: by asking a model that chats."""

from carteiro.models.interface import ChatModel, Message
from carteiro.schemas import @NameRequest, @NameResult
from carteiro.worker.task import Done, Task, complete, prompt


async def @name(request: @NameRequest, model: ChatModel) -> Done[@NameResult]:
    """What the model is asked, and what becomes of what it writes. Raises `InvalidOutput`."""
    asked = f"Write the text below in capitals. Reply with that alone.\\n\\n{request.text}"
    completion = await complete(model, prompt(request, [Message("user", asked)]))
    return Done(@NameResult(text=completion.text.strip()), completion.usage, completion.finish_reason)


task = Task(request=@NameRequest, run=@name, abilities=(ChatModel,))
'''

APP = '''"""The worker of @name: `faststream run services.@name.app:app`."""

from carteiro.worker.app import worker
from services.@name.task import task

app = worker(task)
'''

PACKAGE = '"""The @name service."""\n'

EXAMPLE = '{"text": "The train leaves at nine."}\n'

FILES = {
    "shared/carteiro/schemas/@name.py": SCHEMA,
    "services/@name/__init__.py": PACKAGE,
    "services/@name/task.py": TASK,
    "services/@name/app.py": APP,
    "examples/@name.json": EXAMPLE,
}
"""By their paths in the project."""
