"""The file of the tools that a worker serves: `CARTEIRO_TOOLS`."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from jsonschema_rs import Draft202012Validator
from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from carteiro.models.schema_limits import SchemaTooLarge, check_limits
from carteiro.schemas.request import COLLECTION_PATTERN, Duration, Options, Text
from carteiro.settings.yaml_file import FilePart, read_yaml_file, validate_yaml
from carteiro.wire.topics import TopicName

EntryName = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
_MAX_NAME = 64
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _check_variable(name: str) -> str:
    # The value is not quoted: it may be the secret itself.
    if not _VARIABLE.fullmatch(name):
        raise ValueError("must be the name of an environment variable, not its value")
    return name


VariableName = Annotated[str, AfterValidator(_check_variable)]


class ToolsFileInvalid(Exception):
    """The file of tools cannot be used. The message names the file, the line and what to write."""


class ToolEntry(FilePart):
    """Base of the entries."""

    timeout: Duration = "20s"
    """Longest time of one call."""

    @property
    def timeout_seconds(self) -> float:
        """`timeout` in seconds."""
        patience = Options(wait=self.timeout).patience
        assert patience is not None
        return patience.total_seconds()


class TopicEntry(ToolEntry):
    """A tool behind Kafka: the worker sends each call to `topic`, and any program answers on `replies`."""

    topic: TopicName
    replies: TopicName
    description: Annotated[Text, StringConstraints(max_length=4096)]
    """Description of the tool, for the model."""
    parameters: dict[str, Any] = Field(default={})
    """A JSON Schema with an object at its root. The arguments of each call match it."""
    tries: int = Field(default=2, ge=1, le=5)
    """Number of times that a call is sent within its timeout, if no answer comes."""

    @field_validator("parameters")
    @classmethod
    def _describes_an_object(cls, value: dict[str, Any]) -> dict[str, Any]:
        if value and value.get("type") != "object":
            raise ValueError("must describe an object: type: object")
        try:
            check_limits(value)
            value = json.loads(json.dumps(value))  # Names may be numbers in YAML.
            Draft202012Validator(value, offline=True)
        except SchemaTooLarge as error:
            raise ValueError(str(error)) from None
        except Exception as error:  # noqa: BLE001  # such as a reference without a target
            raise ValueError(f"is no JSON Schema: {str(error).partition(chr(10))[0]}") from None
        return value

    @model_validator(mode="after")
    def _has_two_topics(self) -> Self:
        if self.topic == self.replies:
            raise ValueError("topic and replies must be two topics")
        return self


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_port = parts.port != 0  # Reading an odd port raises an error.
    except ValueError:
        return False
    return has_port and parts.scheme in ("http", "https") and bool(parts.hostname) and not re.search(r"\s", url)


class ServerEntry(ToolEntry):
    """An MCP server: a command that the worker starts, or an address of streamable HTTP."""

    command: list[Text] | None = Field(default=None, min_length=1)
    """The program and its arguments. The worker speaks to it by its standard input and output."""
    env: list[VariableName] = Field(default=[])
    """Names of variables that the program gets from the worker's environment, besides PATH, HOME and the like."""
    url: str | None = None
    token_variable: VariableName | None = None
    """Name of the variable that has the bearer token for `url`."""
    tools: list[Text] = Field(min_length=1)
    """Names of the tools that models may call. No others of the server are known to them."""

    @model_validator(mode="after")
    def _has_one_address(self) -> Self:
        if (self.command is None) is (self.url is None):
            raise ValueError("needs one of command and url")
        if self.url is not None and not _is_address(self.url):
            raise ValueError("url must be an address such as https://HOST/mcp")
        if self.token_variable is not None and self.url is None:
            raise ValueError("token_variable needs url")
        return self


class ToolsFile(FilePart):
    """The tools of a service."""

    topics: dict[EntryName, TopicEntry] = Field(default={})
    servers: dict[EntryName, ServerEntry] = Field(default={})
    default: list[EntryName] = Field(default=[])
    """Entries for requests that name none in `served_tools`."""
    max_rounds: int = Field(default=8, ge=1, le=32)
    """Maximum number of calls of the model for one answer. The last one may call no tool."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [*self.topics, *self.servers]
        if not names:
            raise ValueError("has no tools: name some under topics or servers")
        if doubled := self.topics.keys() & self.servers.keys():
            raise ValueError(f"{min(doubled)} is a topic and a server: rename one of them")
        for name in self.default:
            if name not in names:
                raise ValueError(f"default: there is no entry {name}")
        tools = [*self.topics, *(model_name(tool) for server in self.servers.values() for tool in server.tools)]
        if doubled := {name for name, number in Counter(tools).items() if number > 1}:
            raise ValueError(f"two entries have a tool {min(doubled)}: leave it out of one of them")
        return self


def model_name(tool: str) -> str:
    """Return the name by which models call a tool of a server: providers permit few characters."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", tool)[:_MAX_NAME]


def load_tools_file(path: Path) -> ToolsFile:
    """Return the tools in a file. Raise `ToolsFileInvalid`."""
    text = read_yaml_file(path, ToolsFileInvalid)
    return validate_yaml(ToolsFile, text, str(path), {}, "a file of tools", ToolsFileInvalid)
