import pytest
from aiohttp import web

from carteiro.retrieval.errors import (
    CollectionUnknown,
    DocumentInvalid,
    DocumentStoreInvalid,
    DocumentStoreUnavailable,
)
from carteiro.retrieval.stores.factory import create_store
from carteiro.retrieval.stores.qdrant.connection import connect


@pytest.fixture
async def server():
    """Return a server that answers all requests alike, and keeps the requests."""
    requests, answers = [], {"status": 200, "body": {"title": "qdrant", "version": "1.17.0"}}

    async def answer(request: web.Request) -> web.Response:
        requests.append(request)
        return web.json_response(answers["body"], status=answers["status"])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = site._server.sockets[0].getsockname()[1]
    yield port, answers, requests
    await runner.cleanup()


@pytest.mark.parametrize(
    ("status", "error", "named"),
    [
        (401, DocumentStoreInvalid, "QDRANT_API_KEY"),
        (403, DocumentStoreInvalid, "QDRANT_API_KEY"),
        (404, CollectionUnknown, "no collection"),
        (400, DocumentInvalid, "400"),
        (422, DocumentInvalid, "422"),
        (429, DocumentStoreUnavailable, "429"),
        (500, DocumentStoreUnavailable, "500"),
    ],
)
async def test_answer_of_the_server_is_told_in_our_words(server, status, error, named):
    port, answers, _ = server
    answers |= {"status": status, "body": {"status": {"error": "words of the server"}}}
    store = create_store(f"qdrant://127.0.0.1:{port}")
    with pytest.raises(error, match=named) as raised:
        await store.open()
    assert "words of the server" not in str(raised.value)
    await store.close()


async def test_older_server_is_refused(server):
    port, answers, _ = server
    answers["body"] = {"title": "qdrant", "version": "1.16.3"}
    store = create_store(f"qdrant://127.0.0.1:{port}")
    with pytest.raises(DocumentStoreInvalid, match=r"1\.16\.3"):
        await store.open()
    await store.close()


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
@pytest.mark.parametrize("place", ["address", "variable"])
async def test_api_key_is_sent(server, place, monkeypatch):
    port, answers, requests = server
    answers |= {"status": 500}
    if place == "variable":
        monkeypatch.setenv("QDRANT_API_KEY", "se/cret")
    user = ":se%2Fcret@" if place == "address" else ""
    store = create_store(f"qdrant+http://{user}127.0.0.1:{port}")
    with pytest.raises(DocumentStoreUnavailable):
        await store.open()
    assert requests[0].headers["api-key"] == "se/cret"
    await store.close()


async def test_server_that_is_away_is_unavailable():
    store = create_store("qdrant://127.0.0.1:1")
    with pytest.raises(DocumentStoreUnavailable, match="cannot be reached"):
        await store.open()
    await store.close()


@pytest.mark.parametrize("url", ["qdrant://", "qdrant://host:port", "qdrant+https://:secret@"])
def test_address_without_a_host_is_refused(url):
    with pytest.raises(DocumentStoreInvalid, match="address of the store"):
        connect(url)
