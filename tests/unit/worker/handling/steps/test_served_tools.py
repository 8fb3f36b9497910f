"""The step that opens the served tools of a request."""

import pytest

from carteiro.models.prompt import RawToolCall
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.sentiment import SentimentRequest
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.handling.steps.served_tools import ServeTools
from carteiro.worker.handling.steps.step import compose
from carteiro.worker.handling.steps.task import RunTask
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.parsing import RequestRejected
from carteiro.worker.tools.toolbox import Toolbox
from tests.unit.worker.failing_model import FailingModel
from tests.unit.worker.tools.fake_source import FakeSource

TASKS = {task.name: task for task in find_tasks()}
USER = {"role": "user", "content": "Is it warm in Porto?"}
TOOL = {"type": "function", "function": {"name": "weather"}}


class CallingModel(FailingModel):
    """Model that calls the first served tool, and then answers."""

    async def complete(self, prompt):
        self.prompts.append(prompt)
        if prompt.tools and prompt.messages[-1].role == "user":
            call = RawToolCall("aaaaaaaaa", prompt.tools[0].name, '{"city": "Porto"}')
            return Completion("", "tool_calls", Usage(input_tokens=1), None, (call,))
        return Completion(f"It says: {prompt.messages[-1].content}", "stop", Usage(input_tokens=1))


@pytest.fixture
def serve(make_context):
    """Return a function that answers a request by a service with these tools."""

    async def call(request, *, default=(), toolbox=True):
        chain = FallbackChain([ModelTarget(CallingModel())])
        served = Toolbox({"city": FakeSource()}, list(default), 4) if toolbox else None
        task = TASKS[request.task]
        handle = compose(ServeTools(served), last=RunTask(task, chain, False))
        return await handle(make_context(request, chain=chain))

    return call


@pytest.mark.parametrize(("named", "default"), [(["city", "city"], []), (None, ["city"])])
async def test_reply_tells_the_calls(serve, named, default):
    reply = await serve(ChatRequest(messages=[USER], served_tools=named), default=default)
    assert reply.result.message.content == "It says: rain in Porto"
    (step,) = reply.result.steps
    assert (step.tool, step.arguments, step.result) == ("weather", {"city": "Porto"}, "rain in Porto")
    assert reply.usage.input_tokens == 2
    reply = await serve(GenerateRequest(prompt="x", served_tools=named), default=default)
    assert (reply.result.text, len(reply.result.steps)) == ("It says: rain in Porto", 1)


async def test_request_that_wants_no_tools_gets_none(serve):
    request = ChatRequest(messages=[USER], served_tools=[])
    assert (await serve(request, default=["city"])).result.steps == []
    schema = {"type": "object", "properties": {}}
    with pytest.raises(Exception, match="does not follow"):  # the model was asked without tools
        await serve(GenerateRequest(prompt="x", json_schema=schema), default=["city"])


@pytest.mark.parametrize("toolbox", [True, False])
async def test_name_that_is_not_in_the_file_is_rejected(serve, toolbox):
    with pytest.raises(RequestRejected, match=r"served_tools\.0: is not served here \(CARTEIRO_TOOLS\)"):
        await serve(ChatRequest(messages=[USER], served_tools=["else"]), toolbox=toolbox)


async def test_tool_of_the_caller_cannot_have_the_name_of_a_served_one(serve):
    request = ChatRequest.model_validate({"messages": [USER], "tools": [TOOL]})
    told = r"tools\.0\.function\.name: is the name of a served tool: .* such as \[\]"
    with pytest.raises(RequestRejected, match=told):
        await serve(request, default=["city"])
    with pytest.raises(RequestRejected, match=told):
        await serve(request.model_copy(update={"served_tools": ["city"]}))


async def test_other_tasks_have_no_tools(serve, make_context):
    async def handle(context):
        assert context.tools is None

    await ServeTools(Toolbox({"city": FakeSource()}, ["city"], 4))(make_context(SentimentRequest(text="x")), handle)
