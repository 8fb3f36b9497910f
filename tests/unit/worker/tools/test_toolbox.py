"""All tools of a worker."""

from carteiro.models.prompt import RawToolCall
from carteiro.worker.tools.toolbox import Toolbox
from tests.unit.worker.tools.fake_source import WEATHER, FakeSource


async def test_request_gets_the_tools_of_the_entries_that_it_names() -> None:
    toolbox = Toolbox({"city": FakeSource(), "other": FakeSource()}, ["city"], 3)
    tools = await toolbox.open(["city"])
    assert (tools.definitions, tools.max_rounds, tools.steps) == ([WEATHER], 3, [])
    assert await tools.call(RawToolCall("1", "weather", '{"city": "Faro"}'), 100) == "rain in Faro"


async def test_server_that_was_never_reached_is_a_step_of_the_reply() -> None:
    away = FakeSource()
    away.is_reachable = False
    tools = await Toolbox({"city": away}, [], 3).open(["city"])
    assert tools.definitions == []
    assert [(step.tool, step.result, step.failed) for step in tools.steps] == [("city", "It cannot be reached.", True)]


async def test_connections_are_kept_until_the_toolbox_is_closed() -> None:
    toolbox = Toolbox({"city": FakeSource()}, [], 3)
    toolbox.start()
    toolbox.start()
    assert len(toolbox._tasks) == 1
    await toolbox.close()
    assert toolbox._tasks[0].cancelled()
