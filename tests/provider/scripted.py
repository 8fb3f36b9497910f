"""A provider that does what a prompt says, so that many workers can share it and every call is accounted for."""

import asyncio
import re

from aiohttp import web

from tests.provider.completions import Json, last_words
from tests.provider.faults import FAULTS, Answer
from tests.provider.server import Provider

_WAIT = re.compile(r"\bwait=([0-9.]+)")


class ScriptedProvider(Provider):
    """Answers a prompt that has `wait=SECONDS` in it after so many seconds, and follows what `when` was told."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self._scripts: dict[str, Answer] = {}

    def when(self, words: str, answer: str | Answer) -> None:
        """Prompts that contain `words` meet this fault of `FAULTS`, or get this answer; with "" all prompts do."""
        self._scripts[words] = FAULTS[answer] if isinstance(answer, str) else answer

    def cure(self, words: str) -> None:
        """Prompts that contain `words` are answered as any other from now on; calls that hang go on hanging."""
        del self._scripts[words]

    async def leave(self) -> None:
        """Be gone: connections are closed, new ones refused, until `come_back`."""
        await self.__aexit__()

    async def come_back(self) -> None:
        """Listen again, at the same address."""
        await self.__aenter__()

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        if wait := _WAIT.search(last_words(body)):
            await asyncio.sleep(float(wait[1]))
        return await super()._answer(request, body)

    def _fault(self, body: Json) -> Answer | None:
        prompt = last_words(body)
        script = next((answer for words, answer in self._scripts.items() if words in prompt), None)
        return script or super()._fault(body)
