"""The types of a step, and their composition."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from carteiro.schemas import OkReply
from carteiro.worker.handling.request_context import RequestContext

Handle = Callable[[RequestContext], Awaitable[OkReply[Any]]]
"""Answers a request. Raises any error, which becomes an error reply."""


class Step(Protocol):
    """Answers a request, by the next handler or by itself."""

    def __call__(self, context: RequestContext, handle: Handle) -> Awaitable[OkReply[Any]]:
        """Return the reply. `handle` runs the steps after this one."""


def compose(*steps: Step, last: Handle) -> Handle:
    """Return a handler that runs the steps in their order, then `last`."""
    handle = last
    for step in reversed(steps):
        handle = partial(step, handle=handle)
    return handle
