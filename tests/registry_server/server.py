"""The server: routes, authentication and faults."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self

from aiohttp import web

from tests.registry_server.errors import RegistryError
from tests.registry_server.store import Store

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RegistryServer:
    """A registry on a free port. It can be slow, away, or answer with an error."""

    def __init__(
        self,
        *,
        basic: str | None = None,
        bearer: str | None = None,
        oauth_client: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Create a server. It accepts everybody, or only `basic` (user:password), the token `bearer`, or the tokens
        that its own `/oauth/token` gives to `oauth_client` (id, secret).
        """
        self.store, self.requests, self.fault = Store(), list[str](), 0
        """`fault` is the HTTP status of all answers; 0 for none."""
        self.answers: dict[str, tuple[int, str]] = {}
        """Status and body of the answers to calls of a path, in place of the right ones."""
        self.hold: asyncio.Event | None = None
        """Answers wait for this event if it is set to one."""
        self._basic, self._bearer, self._oauth_client, self._tls = basic, bearer, oauth_client, tls
        self._runner: web.AppRunner | None = None
        self._port = 0

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, after a stop on the same port as before."""
        application = web.Application(middlewares=[self._answer], client_max_size=16 * 1024 * 1024)
        application.add_routes(
            [
                web.post("/oauth/token", self._token),
                web.get("/schemas/types", self._types),
                web.get("/schemas/ids/{id}", self._by_id),
                web.get("/schemas/guids/{id}", self._by_id),
                web.get("/schemas/ids/{id}/versions", self._versions_of_id),
                web.get("/subjects", self._subjects),
                web.post("/subjects/{subject}", self._lookup),
                web.get("/subjects/{subject}/versions", self._versions),
                web.post("/subjects/{subject}/versions", self._register),
                web.get("/subjects/{subject}/versions/{version}", self._version),
                web.post("/compatibility/subjects/{subject}/versions", self._compatibility),
                web.post("/compatibility/subjects/{subject}/versions/{version}", self._compatibility),
                web.get("/config", self._level),
                web.put("/config", self._set_level),
                web.get("/config/{subject}", self._level),
                web.put("/config/{subject}", self._set_level),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        self._port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close all connections, and refuse new ones."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.hold is not None:
            await self.hold.wait()
        if self.fault:
            return _error(self.fault, self.fault, "The registry fails on purpose.")
        if request.path in self.answers:
            status, body = self.answers[request.path]
            return web.Response(status=status, text=body, content_type=_CONTENT_TYPE, headers={"Location": "/subjects"})
        if request.path != "/oauth/token" and not self._is_permitted(request.headers.get("Authorization", "")):
            return _error(401, 401, "Unauthorized")
        try:
            return await handler(request)
        except RegistryError as error:
            return _error(error.status, error.code, str(error))
        except web.HTTPNotFound:
            return _error(404, 404, "HTTP 404 Not Found")

    def _is_permitted(self, authorization: str) -> bool:
        if self._basic is not None:
            return authorization == f"Basic {base64.b64encode(self._basic.encode()).decode()}"
        if self._bearer is not None or self._oauth_client is not None:
            return authorization == f"Bearer {self._bearer or 'oauth-token'}"
        return True

    async def _token(self, request: web.Request) -> web.StreamResponse:
        client = ":".join(self._oauth_client or ())
        expected = f"Basic {base64.b64encode(client.encode()).decode()}"
        form = await request.post()
        if request.headers.get("Authorization") != expected or form.get("grant_type") != "client_credentials":
            return web.json_response({"error": "invalid_client"}, status=401)
        return web.json_response({"access_token": "oauth-token", "token_type": "Bearer", "expires_in": 3600})

    async def _types(self, _: web.Request) -> web.StreamResponse:
        return _json(["JSON", "PROTOBUF", "AVRO"])

    async def _by_id(self, request: web.Request) -> web.StreamResponse:
        return _json(self.store.by_id(request.match_info["id"]).body(request.query.get("format")))

    async def _versions_of_id(self, request: web.Request) -> web.StreamResponse:
        schema = self.store.by_id(request.match_info["id"])
        pairs = [
            {"subject": subject, "version": number}
            for subject, versions in self.store.subjects.items()
            for number, each in versions.items()
            if each == schema
        ]
        return _json(pairs)

    async def _subjects(self, _: web.Request) -> web.StreamResponse:
        return _json([subject for subject, versions in self.store.subjects.items() if versions])

    async def _versions(self, request: web.Request) -> web.StreamResponse:
        return _json(list(self.store.versions(request.match_info["subject"])))

    async def _version(self, request: web.Request) -> web.StreamResponse:
        subject = request.match_info["subject"]
        number, schema = self.store.version(subject, request.match_info["version"])
        place = {"subject": subject, "version": number, "id": schema.id}
        return _json(place | schema.body(request.query.get("format")))

    async def _lookup(self, request: web.Request) -> web.StreamResponse:
        subject = request.match_info["subject"]
        number, schema = self.store.lookup(subject, await request.json())
        return _json({"subject": subject, "version": number, "id": schema.id} | schema.body(None))

    async def _register(self, request: web.Request) -> web.StreamResponse:
        number, schema = self.store.register(request.match_info["subject"], await request.json())
        return _json({"id": schema.id, "version": number, "guid": schema.guid})

    async def _compatibility(self, request: web.Request) -> web.StreamResponse:
        subject, version = request.match_info["subject"], request.match_info.get("version")
        older = [self.store.version(subject, version)[1]] if version else list(self.store.versions(subject).values())
        reasons = self.store.check(subject, await request.json(), older)
        return _json({"is_compatible": not reasons} | ({"messages": reasons} if "verbose" in request.query else {}))

    async def _level(self, request: web.Request) -> web.StreamResponse:
        subject = request.match_info.get("subject")
        if subject is not None and subject not in self.store.levels:
            raise RegistryError(404, 40408, f"Subject '{subject}' does not have subject-level compatibility configured")
        return _json({"compatibilityLevel": self.store.levels[subject]})

    async def _set_level(self, request: web.Request) -> web.StreamResponse:
        level = (await request.json()).get("compatibility")
        self.store.set_level(request.match_info.get("subject"), level)
        return _json({"compatibility": level})


def _json(body: Any) -> web.StreamResponse:
    return web.json_response(body, content_type=_CONTENT_TYPE)


def _error(status: int, code: int, message: str) -> web.StreamResponse:
    return web.json_response({"error_code": code, "message": message}, status=status, content_type=_CONTENT_TYPE)
