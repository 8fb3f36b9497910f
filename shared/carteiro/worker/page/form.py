"""One request over Kafka for a browser: from the page's form to the topic, and from the reply's topic to the page."""

import asyncio
import ipaddress
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from faststream.asgi.types import Receive, Scope, Send
from pydantic import BaseModel, ConfigDict, ValidationError

from carteiro.client import Carteiro, CarteiroError, ReplyError
from carteiro.schemas import Request
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.task import Task
from carteiro.wire.envelope import Envelope
from carteiro.worker.page.markup import HEADERS
from carteiro.worker.parsing import RequestRejected, read_request

log = structlog.get_logger("carteiro.worker")

MAX_BODY_BYTES = 256 * 1024
MAX_CONCURRENT_REQUESTS = 4
_BODY_SECONDS = 10.0
_REPLY_SECONDS = 300.0
_POLL_SECONDS = 0.5
_CLOSE_TIMEOUT_SECONDS = 1.0


class FormRequestRejected(Exception):
    """A request that the form does not send. The message is the reason."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _FormBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    task: str
    value: str
    """The record's value, as it stands in the form."""


class RequestForm:
    """An ASGI application that sends a request and answers with what comes back, one JSON object a line.

    It takes requests of the page's own origin only, as JSON: no other site's form or script can send any. A request
    goes its whole way over Kafka, through the project's own client. Nothing of its text is logged.
    """

    def __init__(
        self,
        tasks: Sequence[Task[Any, Any]],
        settings: WorkerSettings,
        options: dict[str, Any],
        is_stopping: Callable[[], bool],
    ) -> None:
        """`options` are those of aiokafka's clients. Once `is_stopping()` returns True, open requests end."""
        self._tasks = {task.name: task for task in tasks}
        self._enabled, self._prefix, self._is_stopping = settings.http_form, settings.topic_prefix, is_stopping
        self._hosts = {host.strip().lower() for host in (settings.http_form_hosts or "").split(",") if host.strip()}
        self._options, self._compression = dict(options), settings.compression
        self._servers = ",".join(self._options.pop("bootstrap_servers"))
        self._open_requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            self._check(scope)
            self._open_requests += 1
            try:
                request = self._read(await _body(receive))
                await self._relay(request, receive, send)
            finally:
                self._open_requests -= 1
        except FormRequestRejected as refused:
            await _start(send, refused.status, "application/json")
            await _write(send, {"status": "refused", "message": str(refused)}, more=False)

    def _check(self, scope: Scope) -> None:
        if not self._enabled:
            raise FormRequestRejected(404, "the form is off on this worker: CARTEIRO_HTTP_FORM=true turns it on")
        if scope["method"] != "POST":
            raise FormRequestRejected(405, "the form's requests are POSTs")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if not self._is_known(host):
            # This prevents DNS rebinding: a site whose name then points to this machine would have the same origin.
            name = "the host name of this page is not known to the worker: use its IP address or localhost, or add the "
            raise FormRequestRejected(403, f"{name}name to CARTEIRO_HTTP_FORM_HOSTS")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin" or _netloc(origin) != host.lower():
            raise FormRequestRejected(403, "the request comes from another site than this page")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise FormRequestRejected(415, "the content type is not application/json")
        if self._open_requests >= MAX_CONCURRENT_REQUESTS:
            raise FormRequestRejected(
                429, f"{MAX_CONCURRENT_REQUESTS} requests of the form are open already: wait for a reply"
            )

    def _is_known(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        if name == "localhost" or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _read(self, body: bytes) -> Request[Any]:
        try:
            given = _FormBody.model_validate_json(body)
        except ValidationError:
            raise FormRequestRejected(400, 'the body is not {"task": "...", "value": "..."}') from None
        if (task := self._tasks.get(given.task)) is None:
            raise FormRequestRejected(400, f"this worker has no such task; it has {', '.join(self._tasks)}")
        value = given.value.encode(errors="replace")
        envelope = Envelope("", "", (), None, value, datetime.now(UTC), size=len(value))
        try:
            request: Request[Any] = read_request(task.request, envelope)
        except RequestRejected as rejected:
            raise FormRequestRejected(400, rejected.error.message) from None
        return request

    async def _relay(self, request: Request[Any], receive: Receive, send: Send) -> None:
        """Send the request and what comes back, until the browser leaves or the worker stops."""
        await _start(send, 200, "application/x-ndjson")
        relaying = asyncio.create_task(self._exchange(request, send))
        leaving = asyncio.create_task(_disconnected(receive))
        try:
            while not (relaying.done() or leaving.done() or self._is_stopping()):
                await asyncio.wait({relaying, leaving}, timeout=_POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = leaving.done()
            relaying.cancel()
            leaving.cancel()
            await asyncio.gather(relaying, leaving, return_exceptions=True)
        if not left:
            with suppress(TimeoutError, OSError):
                async with asyncio.timeout(_CLOSE_TIMEOUT_SECONDS):
                    await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _exchange(self, request: Request[Any], send: Send) -> None:
        try:
            async with Carteiro(
                self._servers, topic_prefix=self._prefix, compression=self._compression, **self._options
            ) as carteiro:
                async for piece in carteiro.stream.ask(request, timeout=_REPLY_SECONDS):
                    await _write(send, piece.model_dump(mode="json"))
        except ReplyError as error:
            await _write(send, error.reply.model_dump(mode="json"))
        except CarteiroError as error:
            await _write(send, {"status": "failed", "message": str(error)})
        except Exception as error:  # noqa: BLE001  # the page reports any error; its text may quote the request
            log.error("a request of the page's form failed", task=request.task, reason=type(error).__name__)
            await _write(send, {"status": "failed", "message": "a fault of the worker; its log has the kind"})


async def _body(receive: Receive) -> bytes:
    """Return the request's body. Raise `FormRequestRejected` if it is too large or too slow."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise FormRequestRejected(400, "the body is cut")
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise FormRequestRejected(
                        413, f"the request is larger than the form sends, {MAX_BODY_BYTES:,} bytes"
                    )
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        raise FormRequestRejected(408, f"the body did not come within {_BODY_SECONDS:g} s") from None


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _start(send: Send, status: int, content_type: str) -> None:
    headers = HEADERS | {"content-type": content_type}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def _write(send: Send, line: dict[str, Any], *, more: bool = True) -> None:
    body = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    await send({"type": "http.response.body", "body": body, "more_body": more})


def _netloc(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
