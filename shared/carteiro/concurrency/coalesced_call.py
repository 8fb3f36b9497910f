"""A call that is made once, however often it is scheduled in one step of the event loop."""

import asyncio
from collections.abc import Callable


class CoalescedCall:
    """Calls a function in the next step of the event loop, once for all `schedule` calls before it."""

    def __init__(self, function: Callable[[], None]) -> None:
        self._function = function
        self._is_scheduled = False

    def schedule(self) -> None:
        """Call the function in the next step. The function may schedule itself again. Needs a running event loop."""
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._call)

    def _call(self) -> None:
        self._is_scheduled = False
        self._function()
