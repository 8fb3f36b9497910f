"""What a response says of the quota it was charged to: the `x-ratelimit-*` headers of OpenAI and Azure OpenAI.

Source: https://platform.openai.com/docs/guides/rate-limits, "Rate limits in headers". Servers that speak the same API
send some of them, none, or something else under the same names: what cannot be read is taken as not said.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Resource = Literal["requests", "tokens"]

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(ms|[smhd])", re.ASCII)
_DURATION = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reading:
    """One resource of the quota as a response saw it; None is what it did not say."""

    limit: float | None
    """Amount per minute."""
    remaining: float | None
    """What the bucket held after the call."""
    reset: float | None
    """Seconds until the bucket is full again."""


def read(headers: Mapping[str, str], resource: Resource) -> Reading:
    """What the headers, whose names are in lower case or looked up without regard to it, say of a resource."""

    def say(what: str) -> str | None:
        return headers.get(f"x-ratelimit-{what}-{resource}")

    return Reading(_number(say("limit")) or None, _number(say("remaining")), duration(say("reset")))


def duration(text: str | None) -> float | None:
    """Seconds of a duration such as `6m0s`, `1s`, `120ms` or, as Azure has it, `10`; None for anything else."""
    text = text.strip() if isinstance(text, str) else ""
    if _DURATION.fullmatch(text):
        return math.fsum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))
    return _number(text)


def _number(text: str | None) -> float | None:
    text = text.strip() if isinstance(text, str) else ""
    return float(text) if _NUMBER.fullmatch(text) else None
