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
        *(
            (f"servers: {{time: {{url: '{url}', tools: [now]}}}}", "servers.time: url must be an address such as")
            for url in ("ftp://x", "https://", "https://[::1", "https://a b/c", "https://a:99999/", "docs")
        ),
        (
            "servers: {time: {url: http://x, token_variable: sk-1, tools: [now]}}",
            "token_variable: must be the name of an",
        ),
        ("servers: {time: {command: [x], env: [A=b], tools: [now]}}", "time.env.0: must be the name of an environment"),
        (
            "topics: {a: {topic: b, replies: c, description: d, parameters: {type: object, default: 2024-01-01}}}",
            "topics.a.parameters: holds a value that JSON does not have, such as a date",
        ),
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


def test_aliases_cannot_fill_the_memory(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(ToolsFileInvalid, match="has more than 200,000 values, with what its aliases stand for"):
        load_tools_file(write(tmp_path, "\n".join(["a0: &a0 [x]", *levels])))
    with pytest.raises(ToolsFileInvalid, match="an alias stands in what it stands for"):
        load_tools_file(write(tmp_path, "topics: &a {b: [*a]}"))


def test_value_of_a_variable_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(ToolsFileInvalid) as caught:
        load_tools_file(write(tmp_path, "servers: {a: {url: http://x, token_variable: sk-secret, tools: [now]}}"))
    assert "secret" not in str(caught.value)


def test_names_in_a_schema_may_be_numbers(tmp_path: Path) -> None:
    schema = "{type: object, properties: {1: {type: string}}}"
    text = f"topics: {{a: {{topic: b, replies: c, description: d, parameters: {schema}}}}}"
    properties = load_tools_file(write(tmp_path, text)).topics["a"].parameters["properties"]
    assert properties == {"1": {"type": "string"}}


def test_models_call_a_tool_by_a_name_that_providers_permit() -> None:
    assert model_name("search.pages/all") == "search_pages_all"
    assert len(model_name("x" * 99)) == 64
