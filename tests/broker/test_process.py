"""A worker as a process: its settings, its HTTP port, its logs, and its end."""

import asyncio
import json
import signal
import socket

from carteiro.client import Carteiro
from tests.broker.conftest import environment
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.broker.worker_process import WorkerProcess
from tests.conftest import eventually


async def test_worker_of_one_task_runs_from_start_to_stop(broker, provider):
    settings = environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "alone"}
    with WorkerProcess("chat", **settings) as worker:
        await eventually(lambda: worker.get("/livez")[0] == 200)
        await eventually(worker.ready)
        assert worker.get("/readyz") == (200, '{"status": "ready"}')
        async with RawKafkaClient(broker.address, "alone.chat.replies") as peer:
            body = {"messages": [{"role": "user", "content": "The words of a customer."}]}
            reply, _ = await peer.ask("alone.chat.requests", body)
        assert reply["result"]["message"]["content"] == "The words of a customer."

        _, metrics = worker.get("/metrics")
        assert 'carteiro_requests_total{task="chat"} 1.0' in metrics
        assert 'carteiro_replies_total{code="ok",task="chat"} 1.0' in metrics
        assert 'direction="input"' in metrics
        assert "carteiro_ready 1.0" in metrics
        document = json.loads(worker.get("/asyncapi")[1])
        assert document["channels"]["chatRequests"]["address"] == "alone.chat.requests"
        assert worker.get("/anything")[0] == 404

        worker.terminate()
        await eventually(worker.has_exited)
    assert worker.process.returncode == 0


async def test_requests_cut_off_by_a_stop_are_one_log_line_without_traceback(broker, provider):
    settings = environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "cut", "CARTEIRO_GRACE_SECONDS": "1"}
    with WorkerProcess("generate", **settings) as worker:
        await eventually(worker.ready)
        before = len(provider.requests)
        provider.hold()
        try:
            async with Carteiro(broker.address, topic_prefix="cut") as carteiro:
                call = asyncio.ensure_future(carteiro.generate("Never answered."))
                await eventually(lambda: len(provider.requests) > before)
                worker.terminate()
                await eventually(worker.has_exited)
                call.cancel()
        finally:
            provider.release()
        assert [line["event"] for line in worker.warning_lines][-1] == "not all requests in flight could be finished"
        assert all(line.startswith("{") for line in worker.output.splitlines()), "a line that is not JSON"
    assert worker.process.returncode == 0


async def test_every_log_line_of_a_request_has_its_ids_but_not_its_text(broker, provider):
    settings = environment(broker, provider) | {"CARTEIRO_TOPIC_PREFIX": "logs", "CARTEIRO_LOG_LEVEL": "debug"}
    with WorkerProcess("chat", **settings) as worker:
        await eventually(worker.ready)
        async with RawKafkaClient(broker.address, "logs.chat.replies") as peer:
            provider.next("500", "refusal")
            for _ in range(2):
                _, record = await peer.ask(
                    "logs.chat.requests", {"messages": [{"role": "user", "content": "Secret words"}]}
                )
        await eventually(lambda: worker.find_log_line("answered"))
        last = dict(record.headers)["correlation_id"].decode()
        lines = [line for line in worker.log if line.get("task") == "chat"]
        assert {"the model failed; trying again", "the model failed", "answered with an error", "answered"} <= {
            line["event"] for line in lines
        }
        assert all(line["correlation_id"] and line["request_id"].startswith("logs.chat.requests/") for line in lines)
        assert worker.find_log_line("answered")["correlation_id"] == last
        assert "Secret words" not in worker.output
        assert all(line.startswith("{") for line in worker.output.splitlines()), "a line that is not JSON"


async def test_invalid_setting_ends_in_one_line_that_names_it():
    with WorkerProcess("chat", CARTEIRO_HTTP_PORT="http") as worker:
        await eventually(worker.has_exited)
        assert worker.process.returncode == 2
        assert worker.output == "carteiro: CARTEIRO_HTTP_PORT: must be a whole number\n"


async def test_port_in_use_ends_in_one_line(broker, provider):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = str(taken.getsockname()[1])
        with WorkerProcess("chat", **environment(broker, provider), CARTEIRO_HTTP_PORT=port) as worker:
            await eventually(worker.has_exited)
            assert worker.process.returncode == 5
            assert worker.output.strip().splitlines() == [
                f"carteiro: CARTEIRO_HTTP_PORT: port {port} cannot be used (Address already in use); set another"
            ]


async def test_model_that_cannot_be_loaded_ends_the_worker(broker, provider, tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    settings = environment(broker, provider) | {"CARTEIRO_MODEL": f"local:{tmp_path}"}
    with WorkerProcess("chat", **settings) as worker:
        await eventually(worker.has_exited)
        assert worker.process.returncode == 3
        (line,) = [line for line in worker.log if line["level"] == "critical"]
        assert str(tmp_path) in line["reason"]
        assert "Traceback" not in worker.output


async def test_stop_while_kafka_is_awaited_is_clean(provider):
    settings = {"CARTEIRO_BOOTSTRAP_SERVERS": "127.0.0.1:9", "CARTEIRO_MODEL": f"{provider.url}#echo"}
    for number in (signal.SIGTERM, signal.SIGINT):
        with WorkerProcess("chat", **settings) as worker:
            await eventually(lambda worker=worker: worker.find_log_line("waiting for Kafka"))
            assert worker.find_log_line("waiting for Kafka")["reason"] == "nothing listens at 127.0.0.1:9"
            assert worker.get("/livez")[0] == 200
            assert worker.get("/readyz") == (503, '{"status": "waiting for Kafka"}')
            worker.process.send_signal(number)
            await eventually(worker.has_exited)
            assert worker.process.returncode == 0, worker.output
            assert "Traceback" not in worker.output
