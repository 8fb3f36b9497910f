"""Server with a behaviour of the catalogue."""

import json
from itertools import islice

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour
from tests.provider.completions import Json
from tests.provider.server import Provider
from tests.provider.streams import begin


class CatalogueProvider(Provider):
    """`async with CatalogueProvider(GROQ) as provider`. If `error_kind` is set, every request gets that error of the
    behaviour's table. A request for the model `error-KIND` gets it too.
    """

    def __init__(self, behaviour: Behaviour, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.behaviour = behaviour
        self.error_kind: str | None = None
        self.refused = 0
        """Number of refused requests."""

    async def _answer(self, request: web.Request, body: Json) -> web.StreamResponse:
        played, model = self.behaviour, str(body.get("model"))
        kind = self.error_kind or (model.removeprefix("error-") if model.startswith("error-") else None)
        in_stream = bool(body.get("stream")) and kind in played.stream_errors
        refusal = played.errors[kind] if kind and not in_stream else played.refusal(body, request)
        if refusal is not None:
            self.refused += 1
            if isinstance(refusal.body, str):
                return web.Response(text=refusal.body, status=refusal.status, headers=refusal.headers)
            return web.json_response(refusal.body, status=refusal.status, headers=refusal.headers)
        output = played.generate(body)
        if not body.get("stream"):
            text = played.blank + json.dumps(played.whole(body, output))
            return web.Response(text=text, content_type="application/json", headers=played.headers)
        events = played.events(body, output)
        response = await begin(request, played.headers)
        for each in islice(events, 2) if in_stream else events:
            await response.write(each.encode())
        if in_stream and kind:
            await response.write(played.stream_errors[kind].encode())
        return response
