"""The Python client, asynchronous and synchronous, on a real socket."""

import asyncio
import json
import threading

import pytest

from carteiro.client import (
    Carteiro,
    CarteiroError,
    KafkaUnavailable,
    ReplyError,
    ReplyTimeout,
    RequestInvalid,
    SyncCarteiro,
)
from carteiro.schemas import Options
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.generate import GenerateRequest
from tests.broker.fake_service import FakeService
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.conftest import eventually
from tests.unit.wire.record_batches import batch_builder


async def test_reply_is_typed(carteiro: Carteiro):
    reply = await carteiro.generate("Say this.", temperature=0.5, max_output_tokens=9, seed=1, key=b"k")
    assert reply.result.text == "Say this."
    assert reply.task == "generate"
    assert (reply.usage.input_tokens, reply.finish_reason) == (2, "stop")
    assert reply.model.endswith("#echo")


async def test_options_of_the_caller_reach_the_model(carteiro: Carteiro, provider):
    await carteiro.generate("x", system="Be brief.", stop=["END"], temperature=0.5, max_output_tokens=9, seed=1)
    body = provider.requests[-1].body
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "x"}]
    assert (body["temperature"], body["max_tokens"], body["seed"], body["stop"]) == (0.5, 9, 1, ["END"])


async def test_concurrent_requests_get_their_own_replies(carteiro: Carteiro):
    texts = [f"Number {i}." for i in range(200)]
    replies = await asyncio.gather(*(carteiro.generate(text) for text in texts))
    assert [reply.result.text for reply in replies] == texts


async def test_several_clients_work_side_by_side(services, broker):
    async with Carteiro(broker.address) as one, Carteiro(broker.address) as two:
        pairs = await asyncio.gather(*(client.generate(f"{i}") for i in range(20) for client in (one, two)))
    assert [reply.result.text for reply in pairs] == [f"{i}" for i in range(20) for _ in (1, 2)]


async def test_several_tasks_share_one_client(carteiro: Carteiro):
    chat = await carteiro.chat([{"role": "user", "content": "Hi"}])
    again = await carteiro.ask(ChatRequest.model_validate({"messages": [{"role": "user", "content": "Hi"}]}))
    text = await carteiro.generate("Hi")
    assert chat.result.message.content == again.result.message.content == text.result.text == "Hi"


async def test_error_reply_raises_an_error_with_its_code(carteiro: Carteiro, provider):
    provider.next("refusal")
    with pytest.raises(ReplyError, match="model_refused: ") as caught:
        await carteiro.generate("x")
    assert (caught.value.code, caught.value.retryable, caught.value.fields) == ("model_refused", False, [])


async def test_invalid_request_is_not_sent(carteiro: Carteiro, provider):
    before = len(provider.requests)
    with pytest.raises(RequestInvalid):
        await carteiro.generate("")
    with pytest.raises(RequestInvalid):
        await carteiro.generate("x", temperature=9)
    with pytest.raises(CarteiroError, match="larger than"):
        await carteiro.generate("x" * 2_000_000)
    assert len(provider.requests) == before


async def test_missing_reply_raises_a_timeout_and_the_client_goes_on(carteiro: Carteiro, provider):
    provider.hold()
    before = len(provider.requests)
    try:
        with pytest.raises(ReplyTimeout, match="no reply to this generate request in 5 s"):
            await carteiro.generate("slow", timeout=5)
        assert len(provider.requests) > before
        # The request has the client's deadline: the worker gives up too, and no call is paid.
        await eventually(lambda: provider.requests[-1].abandoned)
    finally:
        provider.release()
    assert (await carteiro.generate("next")).result.text == "next"


async def test_deferrable_call_has_the_wait_it_gives(broker):
    # The client's default timeout is almost zero, and would raise a timeout.
    async with FakeService(broker.address) as service:
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


async def test_plain_script_can_wait(broker):
    async with FakeService(broker.address) as service:

        def script() -> str:
            with SyncCarteiro(broker.address, topic_prefix=service.prefix, timeout=0.001) as carteiro:
                return carteiro.summarize("One.", wait="1d").result.summary

        assert await asyncio.to_thread(script) == "One."


async def test_call_with_an_invalid_wait_or_with_a_stream_is_not_sent(carteiro: Carteiro):
    with pytest.raises(RequestInvalid, match="wait: must be a number and s, m, h or d"):
        await carteiro.generate("x", wait="soon")
    with pytest.raises(RequestInvalid, match="leave out stream or wait"):
        await anext(carteiro.stream.generate("x", wait="24h"))


async def test_text_in_place_of_messages_is_the_users(carteiro: Carteiro, provider):
    assert (await carteiro.chat("Hi")).result.message.content == "Hi"
    assert provider.requests[-1].body["messages"] == [{"role": "user", "content": "Hi"}]


async def test_calls_run_as_tasks_and_in_task_groups(carteiro: Carteiro):
    task = asyncio.create_task(carteiro.generate("one"))
    async with asyncio.TaskGroup() as group:
        others = [group.create_task(carteiro.chat(text)) for text in ("two", "three")]
    assert (await task).result.text == "one"
    assert [other.result().result.message.content for other in others] == ["two", "three"]


async def test_missing_kafka_is_a_clear_error():
    with pytest.raises(KafkaUnavailable, match="no Kafka broker answers at 127.0.0.1:9"):
        async with Carteiro("127.0.0.1:9"):
            pass


async def test_client_that_is_not_started_says_so(broker):
    with pytest.raises(CarteiroError, match="not started"):
        await Carteiro(broker.address).generate("x")


async def test_foreign_replies_are_ignored(carteiro: Carteiro, peer: RawKafkaClient):
    await carteiro.generate("first")
    for headers in ([], [("correlation_id", b"unknown")], [("correlation_id", b"\xff\x00")]):
        await peer.send("llm.generate.replies", b"malformed", headers)
    assert (await carteiro.generate("second")).result.text == "second"


async def test_plain_script_gets_a_reply(services, broker, provider):
    def script() -> list[str]:
        with SyncCarteiro(broker.address, timeout=30) as carteiro:
            provider.next("refusal")
            with pytest.raises(ReplyError, match="model_refused"):
                carteiro.generate("x")
            return [carteiro.generate(text).result.text for text in ("one", "two")]

    assert await asyncio.to_thread(script) == ["one", "two"]


async def test_plain_script_streams(services, broker):
    def script() -> list[str]:
        with SyncCarteiro(broker.address, timeout=30) as carteiro:
            *pieces, whole = carteiro.stream.generate("one two three")
            assert "".join(piece.text for piece in pieces) == whole.result.text == "one two three"
            # A stream that is left early blocks nothing.
            first = next(iter(carteiro.stream.chat("one two")))
            request = GenerateRequest(prompt="x", options=Options(seed=1))
            return [first.status, *(piece.status for piece in carteiro.stream.ask(request))][-2:]

    assert await asyncio.to_thread(script) == ["partial", "ok"]


async def test_deferral_calls_raise_when_the_client_stops(services, broker, provider):
    client = Carteiro(broker.address)
    await client.start()
    provider.hold()
    try:
        call = asyncio.create_task(client.generate("x"))
        before = len(provider.requests)
        await eventually(lambda: len(provider.requests) > before)
        await client.stop()
        with pytest.raises(CarteiroError, match="stopped"):
            await call
    finally:
        provider.release()


def test_plain_script_without_with_gets_a_clear_error():
    with pytest.raises(CarteiroError, match="not started"):
        SyncCarteiro("127.0.0.1:9").generate("x")


async def test_plain_script_without_kafka_gets_a_clear_error():
    def script() -> None:
        with SyncCarteiro("127.0.0.1:9"):
            pass

    with pytest.raises(KafkaUnavailable):
        await asyncio.to_thread(script)


async def test_deferral_thread_gets_an_error_if_another_thread_closes_the_client(broker):
    async with FakeService(broker.address) as service:
        service.max_answers = 0

        def ask_and_close() -> list[Exception]:
            failures: list[Exception] = []

            def ask(carteiro: SyncCarteiro) -> None:
                try:
                    carteiro.summarize("A text.", timeout=600)
                except CarteiroError as error:
                    failures.append(error)

            with SyncCarteiro(broker.address, topic_prefix=service.prefix) as carteiro:
                threads = [threading.Thread(target=ask, args=(carteiro,), daemon=True) for _ in range(8)]
                for thread in threads:
                    thread.start()
                asyncio.run_coroutine_threadsafe(eventually(lambda: service.requests), loop).result()
            for thread in threads:
                thread.join(10)
            assert not any(thread.is_alive() for thread in threads)
            return failures

        loop = asyncio.get_running_loop()
        failures = await asyncio.to_thread(ask_and_close)
    assert [type(error) for error in failures] == [CarteiroError] * 8


async def test_unreadable_batch_on_a_reply_topic_costs_no_reply(broker, peer: RawKafkaClient):
    async with (
        FakeService(broker.address) as service,
        Carteiro(broker.address, topic_prefix=service.prefix) as carteiro,
    ):
        await carteiro.summarize("Before.")
        wrong = bytearray(batch_builder.encode_batch([(b"k", b"value", [])]))
        wrong[-2] ^= 1  # The checksum is of other bytes.
        replies = f"{service.prefix}.summarize.replies"
        for partition in range(3):
            await peer.send_with_bad_header_name(replies, partition, b"nobody")
            await peer.send_batch(replies, partition, bytes(wrong))
        after = await asyncio.gather(*(carteiro.summarize(f"After {number}.") for number in range(9)))
        assert len(after) == 9
