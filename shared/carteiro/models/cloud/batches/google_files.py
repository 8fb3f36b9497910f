"""Google's Files API (https://ai.google.dev/api/files): what the endpoint that speaks the OpenAI API has not
(https://ai.google.dev/gemini-api/docs/openai, "Batch"). Files go by themselves after 48 hours.
"""

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any
from urllib.parse import quote, urlsplit

from openai import APIStatusError
from pydantic import Field

from carteiro.models.cloud.batches.calls import TRANSFER_SECONDS, Calls
from carteiro.models.cloud.batches.files import MOST_PAGES, Files, until_ready
from carteiro.models.cloud.parts import Part
from carteiro.models.failures import Unavailable

KEY_HEADER = "x-goog-api-key"
"""Outside of the OpenAI API a key is no bearer's token (https://ai.google.dev/gemini-api/docs/api-key)."""
_PIECE = 2**18


class GoogleFiles(Files):
    """Files at `root`. Ids are Google's names, `files/ID`; names are display names."""

    def __init__(self, calls: Calls, root: str) -> None:
        self._calls, self._root = calls, root.rstrip("/")

    async def upload(self, name: str, content: BytesIO) -> str:
        """Send a file; gives its id. A resumable upload
        (https://ai.google.dev/gemini-api/docs/files, "Upload a file", REST): the first call gets the address that
        takes the bytes, and wants no key.
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
        async with self._calls.bounded(TRANSFER_SECONDS):
            started = await self._calls.send(
                "post",
                f"{self._root}/upload/v1beta/files",
                header=KEY_HEADER,
                headers=begin,
                content=lambda: {"body": described},
            )
            url = started.headers.get("x-goog-upload-url", "")
            if urlsplit(url).scheme not in ("http", "https"):
                raise Unavailable(f"{self._calls.name} gave no address to send a file to")
            done = await self._calls.send(
                "post", url, signed=False, headers=end, content=lambda: {"content": _pieces(content)}
            )
            return self._calls.understood(done, _Uploaded.model_validate).file.name

    async def ready(self, file: str) -> None:
        await until_ready(lambda: self._calls.json("get", self._at(file), _state, header=KEY_HEADER), self._calls)

    def download(self, file: str) -> AsyncIterator[bytes]:
        url = f"{self._root}/download/v1beta/{quote(file, safe='/')}:download"
        return self._calls.download(url, header=KEY_HEADER, query={"alt": "media"})

    async def delete(self, file: str) -> None:
        """Delete the file, if it is there. Of one that is not, Google says that it may be another's."""
        async with self._calls.bounded():
            try:
                await self._calls.send("delete", self._at(file), header=KEY_HEADER)
            except APIStatusError as error:
                gone = error.status_code == 403 and "may not exist" in str(error.body)
                if error.status_code != 404 and not gone:
                    raise

    async def named(self, prefix: str) -> list[tuple[str, str]]:
        found: list[_File] = []
        query = {"pageSize": "100"}
        for _ in range(MOST_PAGES):
            page = await self._calls.json(
                "get", f"{self._root}/v1beta/files", _Page.model_validate, header=KEY_HEADER, query=query
            )
            found += page.files
            if not page.next_page:
                break
            query["pageToken"] = page.next_page
        return [(file.name, file.display_name) for file in found if (file.display_name or "").startswith(prefix)]

    def _at(self, file: str) -> str:
        return f"{self._root}/v1beta/{quote(file, safe='/')}"


async def _pieces(content: BytesIO) -> AsyncIterator[bytes]:
    content.seek(0)
    while piece := content.read(_PIECE):
        yield piece


class _File(Part):
    name: str
    display_name: str = Field(default="", alias="displayName")
    state: str | None = None


class _Uploaded(Part):
    file: _File


class _Page(Part):
    files: list[_File] = Field(default_factory=list)
    next_page: str | None = Field(default=None, alias="nextPageToken")


def _state(answer: Any) -> str:
    return _File.model_validate(answer).state or "ACTIVE"
