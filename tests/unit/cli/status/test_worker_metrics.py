"""The counts of workers, from the metrics that a test serves."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from carteiro.cli.status.worker_metrics import scrape_workers

METRICS = """
carteiro_in_flight{task="chat"} 2
carteiro_replies_total{task="chat",code="ok"} 5
carteiro_replies_total{task="chat",code="internal"} 1
carteiro_replies_total{task="chat",code="expired"} 1
carteiro_tokens_total{task="chat",direction="input"} 70
carteiro_tokens_total{task="chat",direction="cached"} 60
carteiro_batch_pending_requests{task="answer"} 9
carteiro_model_circuit_open{model="openai:a"} 1
carteiro_model_circuit_open{model="openai:b"} 0
"""


@pytest.fixture
def worker() -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/metrics" else 404)
            self.end_headers()
            self.wfile.write(METRICS.encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


async def test_counts_of_all_workers_are_added(worker: str) -> None:
    found = await scrape_workers([worker, f"{worker}/"])
    chat = found.tasks["chat"]
    assert (chat.in_flight, chat.ok, chat.errors, chat.input_tokens) == (4, 10, 4, 140)
    assert found.open_circuits == {"openai:a"}
    assert found.unreachable == []


async def test_count_that_has_not_begun_is_zero_for_a_running_task_only(worker: str) -> None:
    found = await scrape_workers([worker])
    assert (found.tasks["chat"].output_tokens, found.tasks["chat"].dead_letters) == (0, 0)
    assert found.tasks["chat"].cost_usd is None
    assert (found.tasks["answer"].waiting, found.tasks["answer"].ok) == (9, None)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
async def test_worker_without_an_answer_is_named(url: str) -> None:
    found = await scrape_workers([url])
    assert (found.unreachable, dict(found.tasks)) == ([url], {})
