"""Token services: Google's OAuth service, and the managed identity of a machine at Azure."""

import time

from aiohttp import web

from tests.local_server import LocalServer


class TokenService(LocalServer):
    """`async with TokenService() as service`: its tokens are `token-1`, `token-2` and so on, each valid for `lifetime`
    seconds. If `error_status` is set, it answers with this status instead.
    """

    def __init__(self) -> None:
        self.issued = 0
        self.lifetime = 3600
        self.error_status: int | None = None
        self.requests: list[dict[str, str]] = []
        """Form or query of each request."""

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/google", self._google), web.get("/managed-identity", self._managed_identity)]

    async def _google(self, request: web.Request) -> web.Response:
        """`token_uri` of a service account (https://developers.google.com/identity/protocols/oauth2/service-account)."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        return self._issue(form, expires_in=self.lifetime)

    async def _managed_identity(self, request: web.Request) -> web.Response:
        """`IDENTITY_ENDPOINT` of App Service (https://learn.microsoft.com/azure/app-service/overview-managed-identity)."""
        assert request.headers["X-IDENTITY-HEADER"] == "machine"
        expires_on = str(int(time.time()) + self.lifetime)
        return self._issue(dict(request.query), expires_on=expires_on, resource=request.query["resource"])

    def _issue(self, parameters: dict[str, str], **more: int | str) -> web.Response:
        self.requests.append(parameters)
        if self.error_status:
            return web.json_response({"error": "invalid_grant", "error_description": "no"}, status=self.error_status)
        self.issued += 1
        return web.json_response({"access_token": f"token-{self.issued}", "token_type": "Bearer", **more})
