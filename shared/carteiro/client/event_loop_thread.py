"""An event loop in a thread of its own, for calls from other threads."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from carteiro.client.errors import CarteiroError

T = TypeVar("T")


class EventLoopThread:
    """Event loop that runs the coroutines of any number of threads."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._submit_lock = threading.Lock()

    def start(self) -> None:
        """Start the thread."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="carteiro", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Cancel the coroutines that still run, and end the thread."""
        with self._submit_lock:
            loop, self._loop = self._loop, None
        if loop:
            # This cancels the calls of other threads that were submitted before, so that no thread waits for ever.
            asyncio.run_coroutine_threadsafe(_cancel_other_tasks(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine. Raise its error, and `CarteiroError` if the loop is stopped."""
        with self._submit_lock:
            if self._loop is None:
                coroutine.close()
                raise CarteiroError("the client is not started: use it in `with`")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except CancelledError:
            raise CarteiroError("the client was stopped") from None
        except BaseException:
            future.cancel()  # Ctrl-C in this thread cancels the call on the event loop.
            raise


async def _cancel_other_tasks() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
