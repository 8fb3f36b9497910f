"""The file that describes an enrichment: the events' topics, and the steps that add to each event."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    PlainValidator,
    StringConstraints,
    model_validator,
)

from carteiro.enrichment.expression import Expression, InvalidExpression, Path, overlaps, parse_path
from carteiro.schemas.request import Duration, Options
from carteiro.settings.yaml_file import FilePart, default_name, read_yaml_file, validate_yaml
from carteiro.wire.topics import TopicName

OnError = Literal["keep", "drop", "dead_letter"]
"""Action on an event if a step fails: it goes on with the error noted in it, it is left out, or it becomes a dead
letter.
"""

_MAX_STEPS = 50


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


ExpressionText = Annotated[Expression, PlainValidator(_compile)]
"""An expression, compiled from its text."""
_Path = Annotated[Path, PlainValidator(_read_path)]


class EnrichmentStep(FilePart):
    """One request to a task for each event, and the place of its result."""

    task: str
    """Name of the task, such as `summarize`."""
    request: ExpressionText
    """Expression of the task's request."""
    into: _Path
    """Path at which the result is written."""
    take: ExpressionText = Expression("@")
    """Expression on the task's result, by default all of it."""
    when: ExpressionText | None = None
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
    def _neither_streams_nor_waits(self) -> "EnrichmentStep":
        if self.options.stream or self.options.wait:
            raise ValueError("a step neither streams nor waits: leave out options.stream and options.wait")
        return self


class EnrichmentFile(FilePart):
    """An enrichment: any topic in, the same events out, enriched."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    """Name of the enrichment, in its consumer group; by default the file's name without its ending."""
    source: TopicName = Field(alias="from")
    """Topic of the events."""
    target: TopicName = Field(alias="to")
    """Topic of the enriched events."""
    when: ExpressionText | None = None
    """Condition. Events for which it is false pass through unchanged."""
    steps: list[EnrichmentStep] = Field(min_length=1, max_length=_MAX_STEPS)
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
    text = read_yaml_file(path, EnrichmentFileInvalid)
    return parse_enrichment(text, str(path), default_name(path, "enrichment"))


def parse_enrichment(text: bytes, file: str, default_name: str) -> EnrichmentFile:
    """Return the enrichment in a YAML text. `file` names it in errors. Raise `EnrichmentFileInvalid`."""
    kind = "an enrichment: it has from, to and steps"
    return validate_yaml(EnrichmentFile, text, file, {"name": default_name}, kind, EnrichmentFileInvalid)
