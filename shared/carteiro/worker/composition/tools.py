"""The tools that a worker serves, from its settings."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from carteiro.extras import needs
from carteiro.schemas.tools import ToolOptions
from carteiro.settings.tools_file import load_tools_file
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.worker.tools.interface import ToolSource
from carteiro.worker.tools.toolbox import Toolbox

if TYPE_CHECKING:
    from aiokafka import AIOKafkaProducer


def open_toolbox(
    tasks: Iterable[Task[Any, Any]],
    settings: WorkerSettings,
    options: Mapping[str, Any],
    producer: "Callable[[], AIOKafkaProducer | None]",
) -> Toolbox | None:
    """Return the tools in the settings' file; None if they name no file, or no task has tools. Nothing is connected.

    `options` are aiokafka's, and `producer` is the worker's. Raise `ToolsFileInvalid`, or `ExtraMissing` if a library
    is not installed.
    """
    if settings.tools is None or not any(issubclass(task.request, ToolOptions) for task in tasks):
        return None
    file = load_tools_file(settings.tools)
    sources: dict[str, ToolSource] = {}
    if file.topics:
        from carteiro.worker.tools.topic_tool import TopicTool

        sources |= {name: TopicTool(name, entry, options, producer) for name, entry in file.topics.items()}
    if file.servers:
        needs("CARTEIRO_TOOLS", "mcp", "mcp")
        from carteiro.worker.tools.mcp_server import McpServer

        sources |= {name: McpServer(name, entry) for name, entry in file.servers.items()}
    return Toolbox(sources, file.default, file.max_rounds)
