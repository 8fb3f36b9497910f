"""What a contender's process is told: plain data, JSON on its command line."""

import dataclasses
import json
import logging
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One contender's share of one workload."""

    bootstrap: str
    prefix: str
    window: int
    latency: float
    """Seconds that the model in the process sleeps; at 0 it does not even yield."""
    url: str | None
    """The server that is asked instead of the model in the process."""
    log_level: str
    options: dict[str, str | int]
    """What tells the contenders of one module apart."""

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
    def log_number(self) -> int:
        """The level of the log as `logging` counts."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))
