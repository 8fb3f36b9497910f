"""Long-running jobs of Azure Language: submitted, polled, and cancelled if nobody waits for them any more.

Reference: https://learn.microsoft.com/rest/api/language/analyze-text-submit-job
"""

import asyncio
import contextlib
import re
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx2
from pydantic import BaseModel

from carteiro.concurrency.backoff import Backoff
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.prepared_post import Headers
from carteiro.models.cloud.response_body import parse_complete_json, read_body, read_headers
from carteiro.models.cloud.retry_after import retry_after
from carteiro.models.errors import RateLimited, Unavailable

SUBMIT_PATH = "/language/analyze-text/jobs"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
"""Seconds between two polls."""
_CANCEL_SECONDS = 2.0
_JOB = re.compile(r"[\w-]{1,100}", re.ASCII)
_RUNNING = ("notStarted", "running", "cancelling")


class JobStatus(BaseModel):
    """The state of a job. `tasks` and `errors` are read by the caller."""

    status: str
    tasks: Any = None
    errors: Any = None

    @property
    def is_running(self) -> bool:
        """True if the job has no results yet."""
        return self.status in _RUNNING


class AzureJobs:
    """Jobs at the endpoint of `connection`."""

    def __init__(self, connection: ProviderConnection) -> None:
        self._connection = connection

    async def run(self, body: dict[str, Any]) -> JobStatus:
        """Submit a job and return its last state. Cancel the job if this call is cancelled or takes too long.

        The SDK's errors are raised if the job is refused: call it within `translate_errors`.
        """
        response = await self._connection.post(SUBMIT_PATH, body)
        await read_body(response)
        path = self._path_of(response.headers.get("operation-location"))
        try:
            return await self._wait(path)
        except BaseException:
            await self._cancel(path)
            raise

    async def _wait(self, path: str) -> JobStatus:
        backoff, wait = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE), 0.0
        while True:
            await asyncio.sleep(max(wait, backoff.next_pause()))
            wait = 0.0
            try:
                async with self._connection.translate_errors():
                    response = await self._send("get", path)
                    content = await read_body(response)
            except RateLimited as failure:
                wait = failure.retry_after or 0.0
                continue
            except Unavailable:  # The job goes on, and it has to be paid for.
                continue
            status = JobStatus.model_validate(parse_complete_json(content.decode(errors="replace")))
            if not status.is_running:
                return status
            wait = min(retry_after(read_headers(response)) or 0.0, _LONGEST_PAUSE)

    async def _cancel(self, path: str) -> None:
        """Ask for the end of the job. Nobody waits for it, so a failure is ignored."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CANCEL_SECONDS):
                response = await self._send("post", f"{path}:cancel")
                await response.aclose()

    def _path_of(self, location: str | None) -> str:
        """Return the path of a job. The host is not that of `location`, which could be anybody's and would get the key.

        Raise `Unavailable` if there is no job.
        """
        name = urlsplit(location or "").path.rpartition(f"{SUBMIT_PATH}/")[2]
        if not _JOB.fullmatch(name):
            raise Unavailable(f"{self._connection.name} gave no address of its job")
        return f"{SUBMIT_PATH}/{name}"

    async def _send(self, method: Literal["get", "post"], path: str) -> httpx2.Response:
        client: Any = getattr(self._connection.client, method)
        url = self._connection.endpoint.url.rstrip("/") + path

        async def send(headers: Headers) -> httpx2.Response:
            options = {"headers": headers, "params": self._connection.endpoint.query}
            response: httpx2.Response = await client(url, cast_to=httpx2.Response, options=options, stream=True)
            return response

        return await self._connection.send_authorized(send)
