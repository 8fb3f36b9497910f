"""The file of the tools that a worker serves."""

from pathlib import Path

import pytest

from carteiro.settings.tools_file import ToolsFileInvalid, load_tools_file, model_name

FILE = """
topics:
  order_status:
    topic: shop.order-status.requests
    replies: shop.order-status.replies
    description: The state of an order.
    parameters: {type: object, properties: {id: {type: string}}, required: [id]}
    timeout: 5s
servers:
  time:
    command: [mcp-server-time]
    tools: [get_current_time]
  docs:
    url: https://docs.example/mcp
    token_variable: DOCS_TOKEN
    tools: [search.pages]
default: [time]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tools.yaml"
    path.write_text(text)
    return path


def test_file_names_tools_and_their_limits(tmp_path: Path) -> None:
    file = load_tools_file(write(tmp_path, FILE))
    assert (file.topics["order_status"].timeout_seconds, file.topics["order_status"].tries) == (5, 2)
    assert (file.servers["time"].timeout_seconds, file.default, file.max_rounds) == (20, ["time"], 8)


def test_example_can_be_loaded() -> None:
    file = load_tools_file(Path(__file__).parents[3] / "examples" / "tools" / "tools.yaml")
    assert list(file.topics) == ["order_status"]


TIME = "servers: {time: {command: [x], tools: [now]}}\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "has no tools"),
        ("servers: {time: {tools: [now]}}", "line 1: servers.time: needs one of command and url"),
        ("servers: {time: {command: [x], url: http://x, tools: [now]}}", "needs one of command and url"),
        ("servers: {time: {url: ftp://x, tools: [now]}}", "url must begin with http"),
        ("servers: {time: {command: [x], token_variable: A, tools: [now]}}", "token_variable needs url"),
        ("servers: {time: {command: [x], tools: []}}", "servers.time.tools: must not be empty"),
        ("servers: {time: {command: [x]}}", "servers.time.tools: is missing"),
        (TIME + "default: [clock]", "default: there is no entry clock"),
        (TIME + "topics: {time: {topic: a, replies: b, description: c}}", "time is a topic and a server"),
        (TIME + "topics: {now: {topic: a, replies: b, description: c}}", "two entries have a tool now"),
        ("topics: {a: {topic: b, replies: c, description: d, parameters: {type: string}}}", "must describe an object"),
        (
            "topics: {a: {topic: b, replies: c, description: d, parameters: {type: object, required: x}}}",
            "topics.a.parameters: is no JSON Schema",
        ),
        ("topics: {a: {topic: b, replies: b, description: d}}", "topics.a: topic and replies must be two topics"),
        ("topics: {a: {topic: 'b c', replies: c, description: d}}", "is no name of a topic"),
        ("topics: {'A B': {topic: b, replies: c, description: d}}", "must be 1 to 63 of the characters"),
        (TIME + "max_rounds: 99", "max_rounds: must be at most 32"),
    ],
)
def test_invalid_file_is_named_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ToolsFileInvalid, match=r"tools\.yaml: line \d+: ") as caught:
        load_tools_file(write(tmp_path, text))
    assert reason in str(caught.value)


def test_models_call_a_tool_by_a_name_that_providers_permit() -> None:
    assert model_name("search.pages/all") == "search_pages_all"
    assert len(model_name("x" * 99)) == 64
