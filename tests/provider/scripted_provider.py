"""Provider that follows instructions in the prompt. Many workers can share it, and every call can be counted."""

import asyncio
import re

from aiohttp import web

from tests.provider.completions import Json, last_words
from tests.provider.faults import FAULTS, FaultHandler
from tests.provider.server import Provider

_WAIT = re.compile(r"\bwait=([0-9.]+)")


class ScriptedProvider(Provider):
    """Provider that answers a prompt with `wait=SECONDS` after so many seconds, and follows the rules of `when`."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self._scripts: dict[str, FaultHandler] = {}

    def when(self, words: str, answer: str | FaultHandler) -> None:
        """Answer prompts that contain `words` with this fault of `FAULTS`, or with this answer; "" is for all
        prompts.
        """
        self._scripts[words] = FAULTS[answer] if isinstance(answer, str) else answer

    def clear(self, words: str) -> None:
        """Answer prompts that contain `words` normally again. Calls that hang continue to hang."""
        del self._scripts[words]

    async def go_offline(self) -> None:
        """Close all connections, and refuse new ones until `go_online`."""
        await self.__aexit__()

    async def go_online(self) -> None:
        """Listen again, at the same address."""
        await self.__aenter__()

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        if wait := _WAIT.search(last_words(body)):
            await asyncio.sleep(float(wait[1]))
        return await super()._answer(request, body)

    def _fault(self, body: Json) -> FaultHandler | None:
        prompt = last_words(body)
        script = next((answer for words, answer in self._scripts.items() if words in prompt), None)
        return script or super()._fault(body)
