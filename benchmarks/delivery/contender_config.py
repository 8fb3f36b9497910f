"""Configuration of a contender's process: plain data, JSON on its command line."""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class ContenderConfig:
    """A contender's configuration for a workload."""

    bootstrap: str
    prefix: str
    max_in_flight: int
    latency: float
    """Seconds that the model in the process sleeps. At 0 it does not even yield."""
    url: str | None
    """The server that replaces the model in the process."""
    log_level: str
    options: dict[str, str | int]
    """Options that distinguish contenders with the same module."""

    @property
    def requests(self) -> str:
        return f"{self.prefix}.generate.requests"

    @property
    def replies(self) -> str:
        return f"{self.prefix}.generate.replies"

    @property
    def group(self) -> str:
        return f"{self.prefix}.group"

    @property
    def log_level_number(self) -> int:
        """Return the log level as a number of `logging`."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))
