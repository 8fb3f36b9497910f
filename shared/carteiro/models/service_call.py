"""Calls of language services, which are repeated one by one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from carteiro.schemas import Usage


@dataclass(frozen=True, slots=True)
class ServiceCall:
    """One call of a language service: the caller's `text` in it, its path, and its body, which is JSON."""

    text: str
    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """The JSON that was read from the answer to one call of a language service, and what the call cost."""

    content: Any
    usage: Usage


class ServiceCallRunner(Protocol):
    """Runner of the calls of a language service."""

    async def __call__(self, call: ServiceCall, send: Callable[[], Awaitable[ServiceAnswer]]) -> ServiceAnswer:
        """Return the answer of `send`, which makes the call. It may be called several times."""
