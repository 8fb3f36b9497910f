"""Result of a check."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "fault"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check. `advice` says what to do if it is no `ok`."""

    what: str
    verdict: Verdict
    message: str
    advice: str = ""
