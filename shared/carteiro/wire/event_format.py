"""Protocol between what reads and writes events, and the formats that events have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from carteiro.wire.record import Headers, Record

Path = tuple[str, ...]
"""Names of nested members, from the event's root."""


class EventUnreadable(Exception):
    """The value of the event cannot be read, or it is no object."""


class MemberRefused(ValueError):
    """A member cannot be written into this event, or into no event of its schema. The message says why."""


@dataclass(frozen=True, slots=True)
class EncodedEvent:
    """A new value of an event."""

    value: bytes
    headers: Headers = ()
    """Headers that take the place of the event's headers of the same names."""


class DecodedEvent(Protocol):
    """An event that was read."""

    @property
    def value(self) -> bytes:
        """The event's value, as it was read."""

    @property
    def is_large(self) -> bool:
        """True if work on the event takes so long that a thread does it."""

    @property
    def document(self) -> dict[str, Any]:
        """The event as a JSON object, for expressions. It is not written again, so it may be less exact."""

    def check_place(self, path: Path) -> None:
        """Do nothing if a value can be written at `path`. `prepare` has to be called before. Raise `MemberRefused`."""

    async def prepare(self) -> None:
        """Get ready to encode. It is called before a model call is paid, so it does all that can fail by itself.

        Raise `MemberRefused` if members can be written into no event of this schema.
        """

    def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
        """Return the event with `members`, JSON values by their paths. All else keeps its exact value.

        `prepare` has to be called before. Raise `MemberRefused`.
        """


def find_obstacle(document: Any, path: Path) -> Path | None:
    """Return the path of a value around `path` that is no object; None if there is no such value."""
    for length, name in enumerate(path):
        if not isinstance(document, dict):
            return path[:length]
        if name not in document:
            return None
        document = document[name]
    return None


class EventFormat(Protocol):
    """A format of events."""

    async def decode(self, record: Record) -> DecodedEvent:
        """Return the event in a record that has a value. Raise `EventUnreadable`."""
