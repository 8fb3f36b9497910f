"""The tools that a worker serves, from its settings."""

from pathlib import Path

import pytest

from carteiro.settings.tools_file import ToolsFileInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_task
from carteiro.worker.composition.tools import open_toolbox
from carteiro.worker.tools.mcp_server import McpServer
from carteiro.worker.tools.topic_tool import TopicTool

FILE = """
topics: {order: {topic: a, replies: b, description: c}}
servers: {time: {command: [x], tools: [now]}}
default: [order]
max_rounds: 3
"""


def test_worker_has_the_tools_of_its_file(tmp_path: Path) -> None:
    assert open_toolbox([find_task("chat")], WorkerSettings(), {}, lambda: None) is None
    path = tmp_path / "tools.yaml"
    path.write_text(FILE)
    toolbox = open_toolbox([find_task("chat")], WorkerSettings(tools=path), {}, lambda: None)
    assert toolbox is not None
    assert {name: type(source) for name, source in toolbox.sources.items()} == {"order": TopicTool, "time": McpServer}
    assert (list(toolbox.default), toolbox.max_rounds) == (["order"], 3)
    assert open_toolbox([find_task("sentiment")], WorkerSettings(tools=path), {}, lambda: None) is None


def test_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ToolsFileInvalid, match=r"/no/tools\.yaml: cannot be read"):
        open_toolbox([find_task("chat")], WorkerSettings(tools=Path("/no/tools.yaml")), {}, lambda: None)
