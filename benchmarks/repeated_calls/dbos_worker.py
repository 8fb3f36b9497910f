"""Summaries as durable workflows of DBOS: `python -m benchmarks.repeated_calls.dbos_worker NAME DATABASE PROVIDER`.

A worker that starts again under its name recovers its workflows. Each call is a step, so finished ones are kept.
"""

import asyncio
import sys

import aiohttp
from dbos import DBOS, DBOSConfig

QUEUE = "summaries"
WORKFLOW = "summarize"
VERSION = "benchmark"
_PARTS_AT_ONCE = 16
"""As many calls of a request at once as Carteiro's workers make."""


class TextSummarizer:
    """Calls of the model at `provider`, each a step."""

    def __init__(self, session: aiohttp.ClientSession, provider: str) -> None:
        self._session, self._url = session, f"{provider}/chat/completions"

    async def call(self, prompt: str) -> str:
        body = {"model": "summaries", "messages": [{"role": "user", "content": prompt}]}
        async with self._session.post(self._url, json=body) as response:
            response.raise_for_status()
            answer = await response.json()
        return str(answer["choices"][0]["message"]["content"])


async def serve(name: str, database: str, provider: str, texts_at_once: int) -> None:
    """Serve until the process is killed."""
    config = DBOSConfig(
        name="summaries",
        system_database_url=database,
        executor_id=name,
        application_version=VERSION,
        log_level="WARNING",
    )
    DBOS(config=config)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        summarizer = TextSummarizer(session, provider)

        @DBOS.workflow(name=WORKFLOW)
        async def summarize(text: str) -> str:
            places = asyncio.Semaphore(_PARTS_AT_ONCE)

            @DBOS.step()
            async def call(prompt: str) -> str:
                # The steps have to start in the same order each time. So one waits for its place after it has started.
                async with places:
                    return await summarizer.call(prompt)

            summaries = await asyncio.gather(*(call(f"Summarize:\n{part}") for part in text.splitlines()))
            return await call("Summarize:\n" + "\n".join(summaries))

        DBOS.launch()
        await DBOS.register_queue_async(QUEUE, worker_concurrency=texts_at_once, polling_interval_sec=0.1)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:4], int(sys.argv[4])))
