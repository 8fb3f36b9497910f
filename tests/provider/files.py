"""The provider's files, in memory: OpenAI's and Azure's (https://platform.openai.com/docs/api-reference/files), and
Google's (https://ai.google.dev/api/files)."""

from dataclasses import dataclass, field

from aiohttp import web

from tests.provider.completions import Json
from tests.provider.endpoints import ROOTS, Endpoints, error, page_of

CREATED = 1_760_000_000


@dataclass(kw_only=True)
class StoredFile:
    """A stored file. It is processed after `looks` status requests."""

    id: str
    name: str
    content: bytes
    purpose: str = "batch"
    form: dict[str, str] = field(default_factory=dict)
    """Other fields of its upload."""
    looks: int = 0


class FileEndpoints(Endpoints):
    """Endpoints of files. Files are kept until they are deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.file_looks = 0
        """Number of status requests before a file is processed."""
        self.files: dict[str, StoredFile] = {}
        """The stored files."""
        self._uploads: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        routes = [
            self.route("POST", "/upload/v1beta/files", "upload", self._google_upload),
            self.route("GET", "/v1beta/files", "files", self._google_list),
            self.route("GET", "/v1beta/files/{id}", "file", self._google_file),
            self.route("DELETE", "/v1beta/files/{id}", "delete", self._google_delete),
            self.route("GET", "/download/v1beta/files/{id}:download", "download", self._google_download),
        ]
        for root in (root for root, style in ROOTS.items() if style != "google"):
            routes += [
                self.route("POST", f"{root}/files", "upload", self._upload),
                self.route("GET", f"{root}/files", "files", self._files),
                self.route("GET", f"{root}/files/{{id}}", "file", self._file),
                self.route("GET", f"{root}/files/{{id}}/content", "download", self._download),
                self.route("DELETE", f"{root}/files/{{id}}", "delete", self._delete),
            ]
        return routes

    def store(self, identity: str, name: str, content: bytes) -> StoredFile:
        self.files[identity] = StoredFile(id=identity, name=name, content=content)
        return self.files[identity]

    # The next methods are the files of OpenAI and Azure.

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        sent = form.get("file")
        if form.get("purpose") != "batch" or not isinstance(sent, web.FileField) or not sent.filename.endswith("jsonl"):
            return error(400, "Invalid file format for Batch API. Must be .jsonl", "invalid_request_error")
        file = self.store(f"file-{self.number()}", sent.filename, sent.file.read())
        file.form = {name: value for name, value in form.items() if isinstance(value, str)}
        file.looks = self.file_looks
        return web.json_response(_described_file(file))

    async def _files(self, request: web.Request) -> web.Response:
        purpose = request.query.get("purpose")
        files = [file for file in reversed(self.files.values()) if purpose in (None, file.purpose)]
        page, more = page_of(files, request)
        return web.json_response({"object": "list", "data": [_described_file(file) for file in page], "has_more": more})

    async def _file(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["id"])
        if file is None:
            return no_file(request)
        file.looks = max(0, file.looks - 1)
        return web.json_response(_described_file(file))

    async def _download(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["id"])
        return no_file(request) if file is None else web.Response(body=file.content)

    async def _delete(self, request: web.Request) -> web.Response:
        file = self.files.pop(request.match_info["id"], None)
        return no_file(request) if file is None else web.json_response({"id": file.id, "deleted": True})

    # The next methods are the files of Google.

    async def _google_upload(self, request: web.Request) -> web.Response:
        """Handle both steps of a resumable upload."""
        command = request.headers.get("X-Goog-Upload-Command")
        if command == "start":
            if refused := _unknown_caller(request):
                return refused
            upload = self.number()
            self._uploads[upload] = (await request.json())["file"]["display_name"]
            url = f"http://{request.host}/upload/v1beta/files?upload_id={upload}&upload_protocol=resumable"
            return web.json_response({}, headers={"X-Goog-Upload-URL": url})
        name = self._uploads.pop(request.query["upload_id"])
        assert command == "upload, finalize"
        assert request.headers["X-Goog-Upload-Offset"] == "0"
        file = self.store(f"files/{self.number()}", name, await request.read())
        file.looks = self.file_looks
        return web.json_response({"file": _google_file(file)})

    async def _google_list(self, request: web.Request) -> web.Response:
        if refused := _unknown_caller(request):
            return refused
        files = [file for file in reversed(self.files.values()) if file.id.startswith("files/")]
        begin, size = int(request.query.get("pageToken", 0)), int(request.query.get("pageSize", 10))
        page: Json = {"files": [_google_file(file) for file in files[begin : begin + size]]} if files else {}
        if begin + size < len(files):
            page["nextPageToken"] = str(begin + size)
        return web.json_response(page)

    async def _google_file(self, request: web.Request) -> web.Response:
        file = self.files.get(f"files/{request.match_info['id']}")
        if file is None or (refused := _unknown_caller(request)):
            return _no_google_file(request) if file is None else refused
        file.looks = max(0, file.looks - 1)
        return web.json_response(_google_file(file))

    async def _google_download(self, request: web.Request) -> web.Response:
        file = self.files.get(f"files/{request.match_info['id']}")
        if file is None or (refused := _unknown_caller(request)):
            return _no_google_file(request) if file is None else refused
        assert request.query == {"alt": "media"}
        return web.Response(body=file.content)

    async def _google_delete(self, request: web.Request) -> web.Response:
        if refused := _unknown_caller(request):
            return refused
        file = self.files.pop(f"files/{request.match_info['id']}", None)
        return _no_google_file(request) if file is None else web.json_response({})


def _described_file(file: StoredFile) -> Json:
    return {
        "id": file.id,
        "object": "file",
        "bytes": len(file.content),
        "created_at": CREATED,
        "filename": file.name,
        "purpose": file.purpose,
        "status": "pending" if file.looks else "processed",
    }


def _google_file(file: StoredFile) -> Json:
    return {
        "name": file.id,
        "displayName": file.name,
        "mimeType": "application/jsonl",
        "sizeBytes": str(len(file.content)),
        "state": "PROCESSING" if file.looks else "ACTIVE",
    }


def no_file(request: web.Request) -> web.Response:
    return error(404, f"No such File object: {request.match_info.get('id')}", None)


def _no_google_file(request: web.Request) -> web.Response:
    message = f"You do not have permission to access the File {request.match_info['id']} or it may not exist."
    return web.json_response({"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED"}}, status=403)


def _unknown_caller(request: web.Request) -> web.Response | None:
    """Google's own APIs take a key only in this header. A bearer token has to be a token of OAuth."""
    if "x-goog-api-key" in request.headers and "Authorization" not in request.headers:
        return None
    error = {"code": 401, "message": "Request had invalid authentication credentials.", "status": "UNAUTHENTICATED"}
    return web.json_response({"error": error}, status=401)
