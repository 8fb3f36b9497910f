"""Time limit of a call, and the use and release of its connections."""

import asyncio
import socket
import ssl
import sys

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.errors import Unavailable
from carteiro.worker.open_files import raise_limit_of_open_files
from tests.conftest import eventually
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import HANGING_FAULTS, PROMPT, endpoint, expect_failure

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("name", HANGING_FAULTS)
async def test_endless_call_ends_with_the_timeout(name: str, provider: Provider) -> None:
    model = CloudModel("openai:echo", endpoint(provider.url, model=f"fault-{name}"), timeout=1)
    raised = await expect_failure(model)

    assert type(raised) is Unavailable
    assert raised.message == "openai:echo gave no complete answer within 1 s"
    # The server does not continue to work for a call without a client.
    await eventually(lambda: provider.requests[0].abandoned)
    await model.close()


@pytest.mark.parametrize("name", HANGING_FAULTS)
async def test_a_cancelled_call_closes_its_connection(name: str, provider: Provider, model: CloudModel) -> None:
    provider.next(name)
    call = asyncio.create_task(model.complete(PROMPT))
    await eventually(lambda: bool(provider.requests))
    assert not provider.requests[0].abandoned

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await eventually(lambda: provider.requests[0].abandoned)
    await eventually(lambda: provider.open_connections == 0)


async def test_unreachable_server_is_unavailable(model: CloudModel) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # The socket is bound and not listening: connections are refused.
        port = taken.getsockname()[1]
        for address in (f"http://127.0.0.1:{port}/v1", "http://nowhere.invalid/v1", "nowhere/v1"):
            lonely = CloudModel("openai:echo", endpoint(address), timeout=30)
            raised = await expect_failure(lonely)
            await lonely.close()
            assert type(raised) is Unavailable, address
            assert "cannot be reached" in raised.message


@pytest.mark.parametrize("api", ["chat", "messages"])
async def test_connections_share_one_tls_context(api: str) -> None:
    connections = [
        ProviderConnection("p:m", endpoint(url, api=api), 30) for url in ("https://a.invalid", "https://b.invalid")
    ]
    first, second = (each.client._client for each in connections)
    if api == "messages":
        first, second = (each._client for each in (first, second))
    tls = first._transport.ssl_context
    assert tls is second._transport.ssl_context
    assert tls.verify_mode == ssl.CERT_REQUIRED
    assert tls.check_hostname
    for each in connections:
        await each.close()


async def test_many_calls_share_connections(provider: Provider, model: CloudModel) -> None:
    connections: set[int] = set()
    for _ in range(3):
        provider.hold()
        provider.requests.clear()
        calls = [asyncio.create_task(model.complete(PROMPT)) for _ in range(16)]
        await eventually(lambda: len(provider.requests) == 16)  # All calls are in flight at once.
        provider.release()
        await asyncio.gather(*calls)
        connections |= {request.connection for request in provider.requests}
    assert len(connections) == 16


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits the sockets of a process")
async def test_more_calls_are_in_flight_than_the_sdk_has_connections(provider: Provider, model: CloudModel) -> None:
    raise_limit_of_open_files()
    provider.hold()
    calls = [asyncio.create_task(model.complete(PROMPT)) for _ in range(1_010)]
    await eventually(lambda: len(provider.requests) == 1_010, seconds=30)
    provider.release()
    await asyncio.gather(*calls)


async def test_close_closes_the_connections(provider: Provider, model: CloudModel) -> None:
    await model.complete(PROMPT)
    assert provider.open_connections == 1
    await model.close()
    # An idle connection is closed after 5 seconds anyway.
    await eventually(lambda: provider.open_connections == 0, seconds=2)
    await model.close()
