"""The Batch API (https://platform.openai.com/docs/api-reference/batch) of OpenAI, Azure and Google."""

from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any
from urllib.parse import quote

from openai import APIStatusError
from pydantic import ValidationError

from carteiro.models.cloud.batch_api.anthropic_batches import AnthropicBatchApi
from carteiro.models.cloud.batch_api.batch_parser import NAME_KEY, parse_batch
from carteiro.models.cloud.batch_api.files import EXPIRY, MAX_PAGES, FilesApi, OpenAIFilesApi
from carteiro.models.cloud.batch_api.google_files import GoogleFilesApi
from carteiro.models.cloud.batch_api.interface import BatchApi, BatchItemResult, ProviderBatch
from carteiro.models.cloud.batch_api.jsonl import encode_line, parse_result, read_results
from carteiro.models.cloud.batch_api.transport import MAX_BYTES, Transport, concatenate
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import BatchAddress

_COMPLETION_WINDOW = "24h"
"""The only value that exists. Requests that are not done within it expire; Azure continues with them."""


def open_batch_api(connection: ProviderConnection, path: str) -> BatchApi | None:
    """Return the batches of the connection's model, which is called at `path`. Return None if its provider has no
    batches.
    """
    address = connection.endpoint.batches
    if address is None:
        return None
    if connection.endpoint.api == "messages":
        return AnthropicBatchApi(connection, address)
    return OpenAIBatchApi(connection, address, path)


class OpenAIBatchApi(BatchApi):
    """Batches at `address`. All their requests are for the API at `path`.

    Azure documents `endpoint` and `url` with and without `/v1`, and takes the API from the file
    (https://learn.microsoft.com/azure/foundry/openai/how-to/batch). Google documents neither metadata nor an expiry of
    outputs, so neither is sent, and a batch at Google is recognised by its input file.
    """

    max_bytes = MAX_BYTES

    def __init__(self, connection: ProviderConnection, address: BatchAddress, path: str) -> None:
        self._connection, self._path = connection, f"/v1{path}"
        self._transport = Transport(connection)
        self._url, self._query = f"{address.url.rstrip('/')}/batches", dict(address.query)
        self._is_google = address.google_files is not None
        self._files: FilesApi = (
            GoogleFilesApi(self._transport, address.google_files)
            if address.google_files is not None
            else OpenAIFilesApi(self._transport, address)
        )

    def encode_line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        return encode_line(id, self._path, body)

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        return await self._files.upload(f"{name}.jsonl", await concatenate(lines))

    async def wait_until_ready(self, file: str) -> None:
        await self._files.wait_until_ready(file)

    async def submit(self, name: str, file: str) -> ProviderBatch:
        """Create a batch of a file that is ready. If the answer is lost, the batch may exist all the same: `find`
        tells.
        """
        body: dict[str, Any] = {"input_file_id": file, "endpoint": self._path, "completion_window": _COMPLETION_WINDOW}
        if not self._is_google:
            body |= {"metadata": {NAME_KEY: name}, "output_expires_after": EXPIRY}
        return await self._transport.request_json("post", self._url, parse_batch, query=self._query, body=body)

    async def find(self, name: str, file: str) -> list[ProviderBatch]:
        """Return the batches with our name or this input file, newest first, in the order of the provider's list."""
        found: list[ProviderBatch] = []
        query = {**self._query, "limit": "100"}
        for _ in range(MAX_PAGES):
            page = await self._transport.request_json("get", self._url, _BatchPage.model_validate, query=query)
            batches = [batch for each in page.data or () if (batch := _parse_listed(each))]
            found += [batch for batch in batches if batch.name == name or batch.input_file == file]
            last = page.last_id or (batches[-1].id if batches else None)
            if not page.has_more or not last or query.get("after") == last:
                break
            query["after"] = last
        return found

    async def retrieve(self, id: str) -> ProviderBatch:  # noqa: A002
        return await self._transport.request_json("get", self._batch_url(id), parse_batch, query=self._query)

    async def results(self, batch: ProviderBatch) -> AsyncIterator[BatchItemResult]:
        parse = partial(parse_result, model_name=self._connection.name, endpoint=self._connection.endpoint)
        for file in batch.output_files:
            async for result in read_results(self._files.download(file), parse, batch.id, file):
                yield result

    async def cancel(self, id: str) -> None:  # noqa: A002
        async with self._transport.call_scope():
            try:
                await self._transport.send("post", f"{self._batch_url(id)}/cancel", query=self._query)
            except APIStatusError as error:
                # OpenAI and Azure reject it, in no documented way, if there is nothing left to stop.
                if error.status_code not in (400, 409) or (await self.retrieve(id)).status == "running":
                    raise

    async def delete_file(self, file: str) -> None:
        await self._files.delete(file)

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        return await self._files.list_by_prefix(prefix)

    def _batch_url(self, id: str) -> str:  # noqa: A002
        return f"{self._url}/{quote(id, safe='/')}"  # Google's ids are `batches/ID`.


def _parse_listed(answer: Any) -> ProviderBatch | None:
    """Return a batch of a list, or None: the list may hold batches of other programs in another form."""
    try:
        return parse_batch(answer)
    except ValidationError:
        return None


class _BatchPage(ResponsePart):
    data: list[Any] | None = None
    has_more: bool | None = None
    last_id: str | None = None
