"""The Batch API (https://platform.openai.com/docs/api-reference/batch): OpenAI's, Azure's and Google's."""

from collections.abc import AsyncIterator, Iterable
from typing import Any
from urllib.parse import quote

import structlog
from openai import APIStatusError
from pydantic import ValidationError

from carteiro.models.cloud.batches.calls import MOST_BYTES, Calls, joined
from carteiro.models.cloud.batches.described import NAME_KEY, described
from carteiro.models.cloud.batches.files import EXPIRY, MOST_PAGES, Files, OpenAIFiles
from carteiro.models.cloud.batches.google_files import GoogleFiles
from carteiro.models.cloud.batches.interface import Batch, Batches, LineResult
from carteiro.models.cloud.batches.lines import encode, read, split
from carteiro.models.cloud.connection import Connection
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.cloud.parts import Part

_WINDOW = "24h"
"""There is no other. What is not done by then expires; at Azure it goes on."""

log = structlog.get_logger("carteiro.models")


def open_batches(connection: Connection, path: str) -> Batches | None:
    """The batches of the connection's model, which is called at `path`; None where its provider has none."""
    address = connection.endpoint.batches
    return ProvidedBatches(connection, address, path) if address else None


class ProvidedBatches(Batches):
    """Batches at `address`, all of whose requests are for the API at `path`.

    Azure documents `endpoint` and `url` with and without `/v1`, and reads which API it is from the file
    (https://learn.microsoft.com/azure/foundry/openai/how-to/batch). Google documents neither metadata nor an end of
    outputs, so it is sent none, and a batch there is known by its input file.
    """

    most_bytes = MOST_BYTES

    def __init__(self, connection: Connection, address: BatchAddress, path: str) -> None:
        self._connection, self._path = connection, f"/v1{path}"
        self._calls = Calls(connection)
        self._url, self._query = f"{address.url.rstrip('/')}/batches", dict(address.query)
        self._plain = address.google_files is not None
        self._files: Files = (
            GoogleFiles(self._calls, address.google_files)
            if address.google_files is not None
            else OpenAIFiles(self._calls, address)
        )

    def line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        return encode(id, self._path, body)

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        return await self._files.upload(f"{name}.jsonl", await joined(lines))

    async def ready(self, file: str) -> None:
        await self._files.ready(file)

    async def submit(self, name: str, file: str) -> Batch:
        """Have a file that is ready done. Where the answer is lost, the batch may have been made: `find` tells."""
        body: dict[str, Any] = {"input_file_id": file, "endpoint": self._path, "completion_window": _WINDOW}
        if not self._plain:
            body |= {"metadata": {NAME_KEY: name}, "output_expires_after": EXPIRY}
        return await self._calls.json("post", self._url, described, query=self._query, body=body)

    async def find(self, name: str, file: str) -> list[Batch]:
        """The batches with our name or this input file, newest first, as the list is."""
        found: list[Batch] = []
        query = {**self._query, "limit": "100"}
        for _ in range(MOST_PAGES):
            page = await self._calls.json("get", self._url, _Page.model_validate, query=query)
            batches = [batch for each in page.data or () if (batch := _described(each))]
            found += [batch for batch in batches if batch.name == name or batch.input_file == file]
            last = page.last_id or (batches[-1].id if batches else None)
            if not page.has_more or not last or query.get("after") == last:
                break
            query["after"] = last
        return found

    async def look(self, id: str) -> Batch:  # noqa: A002
        return await self._calls.json("get", self._at(id), described, query=self._query)

    async def results(self, batch: Batch) -> AsyncIterator[LineResult]:
        name, endpoint = self._connection.name, self._connection.endpoint
        for file in batch.outputs:
            unreadable = 0
            async for line in split(self._files.download(file)):
                result = read(line, name, endpoint)
                if result is None:
                    unreadable += 1
                else:
                    yield result
            if unreadable:
                log.warning("lines of a batch's results cannot be read", batch=batch.id, file=file, lines=unreadable)

    async def cancel(self, id: str) -> None:  # noqa: A002
        async with self._calls.bounded():
            try:
                await self._calls.send("post", f"{self._at(id)}/cancel", query=self._query)
            except APIStatusError as error:
                # OpenAI and Azure turn it down, in no documented way, where there is nothing left to stop.
                if error.status_code not in (400, 409) or (await self.look(id)).status == "running":
                    raise

    async def delete(self, file: str) -> None:
        await self._files.delete(file)

    async def files(self, prefix: str) -> list[tuple[str, str]]:
        return await self._files.named(prefix)

    def _at(self, id: str) -> str:  # noqa: A002
        return f"{self._url}/{quote(id, safe='/')}"  # Google's ids are `batches/ID`


def _described(answer: Any) -> Batch | None:
    """A batch of a list, which may hold others' that look otherwise."""
    try:
        return described(answer)
    except ValidationError:
        return None


class _Page(Part):
    data: list[Any] | None = None
    has_more: bool | None = None
    last_id: str | None = None
