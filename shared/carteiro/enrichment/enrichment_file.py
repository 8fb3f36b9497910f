"""The file that describes an enrichment: the events' topics, and the steps that add to each event."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    ValidationError,
    model_validator,
)

from carteiro.enrichment.expression import Expression, InvalidExpression, Path, overlaps, parse_path
from carteiro.schemas.field_errors import field_errors
from carteiro.schemas.request import Duration, Options
from carteiro.wire.topics import is_topic_name

OnError = Literal["keep", "drop", "dead_letter"]
"""Action on an event if a step fails: it goes on with the error noted in it, it is left out, or it becomes a dead
letter.
"""

_MAX_FILE_BYTES = 1024 * 1024
_MAX_STEPS = 50
_MERGE_TAG = "tag:yaml.org,2002:merge"


class EnrichmentFileInvalid(Exception):
    """The file cannot be used. The message names the file, the line and what to write."""


def _compile(value: Any) -> Expression:
    if not isinstance(value, str):
        raise ValueError("is an expression, so it is a text: put it in quotes")
    try:
        return Expression(value)
    except InvalidExpression as error:
        raise ValueError(str(error)) from None


def _read_path(value: Any) -> Path:
    if not isinstance(value, str):
        raise ValueError("is a path, so it is a text, such as ai.summary")
    return parse_path(value)


def _check_topic(value: Any) -> Any:
    if isinstance(value, str) and not is_topic_name(value):
        raise ValueError("is no name of a topic: letters, digits, '.', '_' and '-', at most 249")
    return value


_Expression = Annotated[Expression, PlainValidator(_compile)]
_Path = Annotated[Path, PlainValidator(_read_path)]
_Topic = Annotated[str, BeforeValidator(_check_topic)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, populate_by_name=True)


class Step(_Part):
    """One request to a task for each event, and the place of its result."""

    task: str
    """Name of the task, such as `summarize`."""
    request: _Expression
    """Expression of the task's request."""
    into: _Path
    """Path at which the result is written."""
    take: _Expression = Expression("@")
    """Expression on the task's result, by default all of it."""
    when: _Expression | None = None
    """Condition. The step is left out for events for which it is false."""
    model: str | None = Field(default=None, max_length=1000)
    """The model that answers, or several in a fallback chain, with commas between them; by default the task's."""
    options: Options = Options()
    """Options of the model call."""
    on_error: OnError | None = None
    """Action if this step fails; by default the file's."""

    @property
    def name(self) -> str:
        """The step's name in errors and logs: its path, whose odd names are quoted, so it is ASCII or words."""
        return ".".join(name if re.fullmatch(r"[\w-]+", name) else json.dumps(name) for name in self.into)

    @property
    def chain_name(self) -> str:
        """Name of the fallback chain that answers the step's requests: the task's, or that of the step's own model."""
        return f"{self.task} {self.model}" if self.model else self.task

    @property
    def reads(self) -> frozenset[Path]:
        """Paths of the event that the step reads."""
        return self.request.reads | (self.when.reads if self.when else frozenset())

    @model_validator(mode="after")
    def _neither_streams_nor_waits(self) -> "Step":
        if self.options.stream or self.options.wait:
            raise ValueError("a step neither streams nor waits: leave out options.stream and options.wait")
        return self


class EnrichmentFile(_Part):
    """An enrichment: any topic in, the same events out, enriched."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name of the enrichment, in its consumer group; by default the file's name without its ending."""
    source: _Topic = Field(alias="from")
    """Topic of the events."""
    target: _Topic = Field(alias="to")
    """Topic of the enriched events."""
    when: _Expression | None = None
    """Condition. Events for which it is false pass through unchanged."""
    steps: list[Step] = Field(min_length=1, max_length=_MAX_STEPS)
    on_error: OnError = "keep"
    errors_into: _Path = ("ai", "errors")
    """Path of the list of errors in an event that goes on without a step's result."""
    wait: Duration | None = None
    """Longest time until an enriched event; permits the model calls to go through the provider's batch API."""

    @property
    def served_name(self) -> str:
        """Name of the enrichment among a worker's tasks: in its group, its metrics and its topic of dead letters."""
        return f"enrich-{self.name}"

    @property
    def patience(self) -> timedelta | None:
        """`wait` as a duration."""
        return Options(wait=self.wait).patience

    @model_validator(mode="after")
    def _is_consistent(self) -> "EnrichmentFile":
        if self.source == self.target:
            raise ValueError("the topics `from` and `to` are the same: the events would be enriched for ever")
        paths = [(step.name, step.into) for step in self.steps] + [("errors_into", self.errors_into)]
        for index, (name, path) in enumerate(paths):
            for other, other_path in paths[:index]:
                if overlaps(path, other_path):
                    raise ValueError(f"{name} and {other} write to the same place: give each step a path of its own")
        return self

    @cached_property
    def needs(self) -> tuple[frozenset[int], ...]:
        """`steps_before` of each step. It is the same for every event."""
        return tuple(self.steps_before(index) for index in range(len(self.steps)))

    def steps_before(self, index: int) -> frozenset[int]:
        """Return the numbers of the earlier steps whose results the step at `index` reads."""
        reads = self.steps[index].reads
        return frozenset(
            number
            for number, earlier in enumerate(self.steps[:index])
            if any(overlaps(path, earlier.into) for path in reads)
        )


def load_enrichment_files(paths: Sequence[FilePath]) -> list[EnrichmentFile]:
    """Return the enrichments that one worker serves together. Raise `EnrichmentFileInvalid`."""
    files = [load_enrichment_file(path) for path in paths]
    names = [file.name for file in files]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise EnrichmentFileInvalid(f"two enrichments are named {min(doubled)}: set `name` in one of the files")
    topics = TopologicalSorter[str]()
    for file in files:
        topics.add(file.target, file.source)
    try:
        topics.prepare()
    except CycleError as error:
        circle = " to ".join(error.args[1])
        raise EnrichmentFileInvalid(f"the topics form a circle, {circle}: events would be enriched for ever") from None
    return files


def load_enrichment_file(path: FilePath) -> EnrichmentFile:
    """Return the enrichment that the YAML file at `path` describes. Raise `EnrichmentFileInvalid`."""
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise EnrichmentFileInvalid(f"{path}: cannot be read ({error.strerror})") from None
    if len(text) > _MAX_FILE_BYTES:
        raise EnrichmentFileInvalid(f"{path}: has more than {_MAX_FILE_BYTES:,} bytes")
    return parse_enrichment(text, str(path), default_name=_default_name(path))


def parse_enrichment(text: bytes, file: str, default_name: str) -> EnrichmentFile:
    """Return the enrichment in a YAML text. `file` names it in errors. Raise `EnrichmentFileInvalid`."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}:" if error.problem_mark else ""
        raise EnrichmentFileInvalid(f"{file}:{line} is no YAML: {error.problem or 'it cannot be read'}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise EnrichmentFileInvalid(f"{file}: is no YAML in UTF-8") from None
    for at, problem in _find_problems(root, set()):
        raise EnrichmentFileInvalid(f"{file}: line {at}: {problem}")
    if not isinstance(content, dict):
        raise EnrichmentFileInvalid(f"{file}: is no enrichment: it has from, to and steps")
    try:
        return EnrichmentFile.model_validate({"name": default_name} | content)
    except ValidationError as error:
        problems = [
            f"{file}: line {_line_of(root, raw['loc'])}: {told.field + ': ' if told.field else ''}{told.reason}"
            for raw, told in zip(error.errors(), field_errors(error, root="", document="this file"), strict=False)
        ]
        raise EnrichmentFileInvalid("\n".join(problems)) from None


def _default_name(path: FilePath) -> str:
    return re.sub(r"[^a-z0-9]+", "-", path.stem.lower()).strip("-")[:63] or "enrichment"


def _find_problems(node: yaml.Node | None, seen: set[int]) -> Iterator[tuple[int, str]]:
    """Yield the lines and descriptions of what YAML accepts, but an enrichment cannot mean.

    `seen` are the ids of nodes, which aliases repeat.
    """
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        names = set[tuple[str, str]]()
        for name, value in node.value:
            if isinstance(name, yaml.ScalarNode) and name.tag != _MERGE_TAG:
                if (name.tag, name.value) in names:
                    yield name.start_mark.line + 1, f"{name.value} is there twice: leave one out"
                names.add((name.tag, name.value))
            yield from _find_problems(name, seen)
            yield from _find_problems(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _find_problems(each, seen)
    elif any("\ud800" <= char <= "\udfff" for char in node.value):
        yield line, "a text has half of a surrogate pair, which is no character: write \\U and the character's number"


def _line_of(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """Return the line, from 1, of the node at a location; of the closest node around it if it is not in the file."""
    line = node.start_mark.line + 1 if node else 1
    for key in location:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if name.value == key:
                    found, line = value, name.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            found = node.value[key]
            line = found.start_mark.line + 1
        if found is None:
            break
        node = found
    return line
