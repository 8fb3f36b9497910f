"""Our own client, asynchronous and not, on a real socket."""

import asyncio
import json

import pytest
from pydantic import ValidationError

from carteiro.client import Carteiro, CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout, SyncCarteiro
from carteiro.schemas import ChatRequest
from tests.broker.peer import Peer
from tests.broker.service import Service
from tests.conftest import eventually


async def test_a_reply_is_typed(carteiro: Carteiro):
    reply = await carteiro.generate("Say this.", temperature=0.5, max_output_tokens=9, seed=1, key=b"k")
    assert reply.result.text == "Say this."
    assert reply.task == "generate"
    assert (reply.usage.input_tokens, reply.finish_reason) == (2, "stop")
    assert reply.model.endswith("#echo")


async def test_what_the_caller_asks_reaches_the_model(carteiro: Carteiro, provider):
    await carteiro.generate("x", system="Be brief.", stop=["END"], temperature=0.5, max_output_tokens=9, seed=1)
    body = provider.requests[-1].body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]
    assert (body["temperature"], body["max_tokens"], body["seed"], body["stop"]) == (0.5, 9, 1, ["END"])


async def test_many_requests_in_flight_each_gets_its_own_reply(carteiro: Carteiro):
    texts = [f"Number {i}." for i in range(200)]
    replies = await asyncio.gather(*(carteiro.generate(text) for text in texts))
    assert [reply.result.text for reply in replies] == texts


async def test_several_clients_side_by_side(services, broker):
    async with Carteiro(broker.address) as one, Carteiro(broker.address) as two:
        pairs = await asyncio.gather(*(client.generate(f"{i}") for i in range(20) for client in (one, two)))
    assert [reply.result.text for reply in pairs] == [f"{i}" for i in range(20) for _ in (1, 2)]


async def test_several_tasks_over_one_client(carteiro: Carteiro):
    chat = await carteiro.chat([{"role": "user", "content": "Hi"}])
    again = await carteiro.ask(ChatRequest.model_validate({"messages": [{"role": "user", "content": "Hi"}]}))
    text = await carteiro.generate("Hi")
    assert chat.result.message.content == again.result.message.content == text.result.text == "Hi"


async def test_an_error_reply_raises_an_error_with_its_code(carteiro: Carteiro, provider):
    provider.next("refusal")
    with pytest.raises(ReplyError, match="model_refused: ") as caught:
        await carteiro.generate("x")
    assert (caught.value.code, caught.value.retryable, caught.value.fields) == ("model_refused", False, [])


async def test_a_request_that_could_not_be_served_is_not_sent(carteiro: Carteiro, provider):
    before = len(provider.requests)
    with pytest.raises(ValidationError):
        await carteiro.generate("")
    with pytest.raises(ValidationError):
        await carteiro.generate("x", temperature=9)
    with pytest.raises(CarteiroError, match="larger than"):
        await carteiro.generate("x" * 2_000_000)
    assert len(provider.requests) == before


async def test_no_reply_in_time_raises_a_timeout_and_the_client_goes_on(carteiro: Carteiro, provider):
    provider.hold()
    before = len(provider.requests)
    try:
        with pytest.raises(ReplyTimeout, match="no reply to this generate request in 5 s"):
            await carteiro.generate("slow", timeout=5)
        assert len(provider.requests) > before
        # The request's deadline is the client's: the worker gives up as well, and nothing is paid for.
        await eventually(lambda: provider.requests[-1].abandoned)
    finally:
        provider.release()
    assert (await carteiro.generate("next")).result.text == "next"


async def test_a_call_that_can_wait_has_the_time_it_gives(broker):
    # A client that usually waits for next to nothing, and so would raise a timeout.
    async with Service(broker.address) as service:
        async with Carteiro(broker.address, topic_prefix=service.prefix, timeout=0.001) as carteiro:
            assert (await carteiro.summarize("One.", wait="24h")).usage.service_tier == "batch"
            await carteiro.summarize("Two.", wait="30m", timeout=60, seed=1)
            with pytest.raises(ReplyTimeout, match=r"in 0.001 s"):
                await carteiro.summarize("Three.")
        with_wait, with_both = service.requests[:2]
    assert json.loads(with_wait.value)["options"] == {"wait": "24h"}
    assert "timeout_ms" not in dict(with_wait.headers), "the request says it itself"
    assert json.loads(with_both.value)["options"] == {"seed": 1, "wait": "30m"}
    assert dict(with_both.headers)["timeout_ms"] == b"60000"


async def test_a_plain_script_can_wait(broker):
    async with Service(broker.address) as service:

        def script() -> str:
            with SyncCarteiro(broker.address, topic_prefix=service.prefix, timeout=0.001) as carteiro:
                return carteiro.summarize("One.", wait="1d").result.summary

        assert await asyncio.to_thread(script) == "One."


async def test_a_call_that_waits_and_streams_or_waits_for_nonsense_is_not_sent(carteiro: Carteiro):
    for wait, stream in (("24h", True), ("soon", False)):
        with pytest.raises(ValidationError, match="wait"):
            await carteiro.generate("x", wait=wait, stream=stream)


async def test_no_kafka_there_is_a_clear_error():
    with pytest.raises(KafkaUnavailable, match="no Kafka broker answers at 127.0.0.1:9"):
        async with Carteiro("127.0.0.1:9"):
            pass


async def test_a_client_that_is_not_started_says_so(broker):
    with pytest.raises(CarteiroError, match="not started"):
        await Carteiro(broker.address).generate("x")


async def test_replies_that_are_not_ours_are_left_alone(carteiro: Carteiro, peer: Peer):
    await carteiro.generate("first")
    for headers in ([], [("correlation_id", b"unknown")], [("correlation_id", b"\xff\x00")]):
        await peer.send("llm.generate.replies", b"rubbish", headers)
    assert (await carteiro.generate("second")).result.text == "second"


async def test_from_a_plain_script(services, broker, provider):
    def script() -> list[str]:
        with SyncCarteiro(broker.address, timeout=30) as carteiro:
            provider.next("refusal")
            with pytest.raises(ReplyError, match="model_refused"):
                carteiro.generate("x")
            return [carteiro.generate(text).result.text for text in ("one", "two")]

    assert await asyncio.to_thread(script) == ["one", "two"]


async def test_calls_that_wait_when_the_client_stops_raise(services, broker, provider):
    client = Carteiro(broker.address)
    await client.start()
    provider.hold()
    try:
        call = asyncio.create_task(client.generate("x").reply())
        asked = len(provider.requests)
        await eventually(lambda: len(provider.requests) > asked)
        await client.stop()
        with pytest.raises(CarteiroError, match="stopped"):
            await call
    finally:
        provider.release()


def test_a_plain_script_that_forgets_with():
    with pytest.raises(CarteiroError, match="not started"):
        SyncCarteiro("127.0.0.1:9").generate("x")


async def test_a_plain_script_without_kafka():
    def script() -> None:
        with SyncCarteiro("127.0.0.1:9"):
            pass

    with pytest.raises(KafkaUnavailable):
        await asyncio.to_thread(script)
