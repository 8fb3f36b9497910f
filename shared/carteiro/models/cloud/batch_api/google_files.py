"""Google's Files API (https://ai.google.dev/api/files). The endpoint that speaks the OpenAI API has no files
(https://ai.google.dev/gemini-api/docs/openai, "Batch"). Google deletes files after 48 hours.
"""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

from openai import APIStatusError
from pydantic import Field

from carteiro.models.cloud.batch_api.files import MAX_PAGES, FilesApi, poll_until_ready
from carteiro.models.cloud.batch_api.transport import TRANSFER_SECONDS, Transport
from carteiro.models.cloud.completion_builder import ResponsePart
from carteiro.models.errors import Unavailable

KEY_HEADER = "x-goog-api-key"
"""Header of the key. Outside of the OpenAI API a key is not sent as a bearer token
(https://ai.google.dev/gemini-api/docs/api-key)."""
_CHUNK_BYTES = 2**18


class GoogleFilesApi(FilesApi):
    """Files at `root`. Ids are Google's names, `files/ID`; names are display names."""

    def __init__(self, transport: Transport, root: str) -> None:
        self._transport, self._root = transport, root.rstrip("/")

    async def upload(self, name: str, content: BytesIO) -> str:
        """Upload a file and return its id. It is a resumable upload (https://ai.google.dev/gemini-api/docs/files,
        "Upload a file", REST): the first call returns the address that takes the bytes. That address needs no key.
        """
        size = content.getbuffer().nbytes
        begin = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(size),
            "X-Goog-Upload-Header-Content-Type": "application/jsonl",
        }
        described = {"file": {"display_name": name}}
        end = {
            "Content-Length": str(size),
            "Content-Type": "application/jsonl",
            "X-Goog-Upload-Offset": "0",
            "X-Goog-Upload-Command": "upload, finalize",
        }
        async with self._transport.call_scope(TRANSFER_SECONDS):
            started = await self._transport.send(
                "post",
                f"{self._root}/upload/v1beta/files",
                auth_header=KEY_HEADER,
                headers=begin,
                make_content=lambda: {"body": described},
            )
            url = started.headers.get("x-goog-upload-url", "")
            if urlsplit(url).scheme not in ("http", "https"):
                raise Unavailable(f"{self._transport.name} gave no address to send a file to")
            done = await self._transport.send(
                "post", url, authenticated=False, headers=end, make_content=lambda: {"content": _chunks(content)}
            )
            return self._transport.parse_response(done, _UploadResponse.model_validate).file.name

    async def wait_until_ready(self, file: str) -> None:
        await poll_until_ready(
            lambda: self._transport.request_json("get", self._file_url(file), _state, auth_header=KEY_HEADER),
            self._transport,
        )

    def download(self, file: str) -> AsyncIterator[bytes]:
        url = f"{self._root}/download/v1beta/{quote(file, safe='/')}:download"
        return self._transport.download(url, auth_header=KEY_HEADER, query={"alt": "media"})

    async def delete(self, file: str) -> None:
        """Delete the file, if it exists. Google answers 403 for a missing file: it may belong to another account."""
        async with self._transport.call_scope():
            try:
                await self._transport.send("delete", self._file_url(file), auth_header=KEY_HEADER)
            except APIStatusError as error:
                gone = error.status_code == 403 and "may not exist" in str(error.body)
                if error.status_code != 404 and not gone:
                    raise

    async def list_by_prefix(self, prefix: str) -> list[tuple[str, str]]:
        found: list[_GoogleFile] = []
        query = {"pageSize": "100"}
        for _ in range(MAX_PAGES):
            page = await self._transport.request_json(
                "get", f"{self._root}/v1beta/files", _GoogleFilePage.model_validate, auth_header=KEY_HEADER, query=query
            )
            found += page.files
            if not page.next_page:
                break
            query["pageToken"] = page.next_page
        return [(file.name, file.display_name) for file in found if (file.display_name or "").startswith(prefix)]

    def _file_url(self, file: str) -> str:
        return f"{self._root}/v1beta/{quote(file, safe='/')}"


async def _chunks(content: BytesIO) -> AsyncIterator[bytes]:
    content.seek(0)
    while piece := content.read(_CHUNK_BYTES):
        yield piece


class _GoogleFile(ResponsePart):
    name: str
    display_name: str = Field(default="", alias="displayName")
    state: str | None = None


class _UploadResponse(ResponsePart):
    file: _GoogleFile


class _GoogleFilePage(ResponsePart):
    files: list[_GoogleFile] = Field(default_factory=list)
    next_page: str | None = Field(default=None, alias="nextPageToken")


def _state(answer: Any) -> str:
    return _GoogleFile.model_validate(answer).state or "ACTIVE"
