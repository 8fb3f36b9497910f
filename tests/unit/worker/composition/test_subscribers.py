"""The parts of a task, wired but not started: no broker is asked."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiokafka.errors import KafkaConnectionError

from carteiro.models.interface import LanguageServiceModel
from carteiro.registry.connection import open_registry
from carteiro.registry.settings import RegistrySettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.batch_api.deferral_policy import DeferralPolicy
from carteiro.worker.composition import subscribers as module
from carteiro.worker.composition.broker import WorkerBroker
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.composition.subscribers import build_handler, subscribe_to_requests
from carteiro.worker.handling.request_reader import JsonRequestReader, SchemaRequestReader
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.fallback import FallbackChain, ModelTarget
from carteiro.worker.observability.metrics import REGISTRY
from tests.unit.worker.batch_api.fake_batch_api import CrashInjector, FakeBatchApi, FakeBatchModel
from tests.unit.worker.failing_model import FailingEmbedder, FailingModel

TASKS = {task.name: task for task in find_tasks()}
LIVE: Any = FallbackChain([ModelTarget(FailingModel())])  # type: ignore[arg-type]
BATCH: Any = FallbackChain([ModelTarget(FakeBatchModel(FakeBatchApi(CrashInjector())))])  # type: ignore[arg-type]


def make_context(**settings: Any) -> WorkerContext:
    return WorkerContext(WorkerSettings(topic_prefix="shop", **settings), {}, Mock(producer=Mock()), *[Mock()] * 3)


def serve(
    context: WorkerContext, task: str = "chat", chain: Any = LIVE, on_joined: Callable[[str], None] = print
) -> ServedTopic:
    return subscribe_to_requests(WorkerBroker(WorkerSettings()), TASKS[task], chain, context, on_joined)


def test_task_is_served_from_its_topic_in_its_group() -> None:
    context = make_context()
    served = serve(context)
    assert (served.name, served.chains) == ("chat", (LIVE,))
    assert served.group == served.subscriber.group_id == context.settings.group_of("chat")
    assert served.subscriber.topic_names == ["shop.chat.requests"]
    assert served.subscriber.lanes._topic == "shop.chat.requests"


def test_series_of_the_task_are_there_before_its_first_request() -> None:
    serve(make_context())
    assert REGISTRY.get_sample_value("carteiro_requests_total", {"task": "chat"}) is not None


def test_assignment_is_told_by_the_task_s_name() -> None:
    joined = list[str]()
    serve(make_context(), on_joined=joined.append).subscriber.lanes._on_joined()
    assert joined == ["chat"]


@pytest.mark.parametrize(("task", "keeps"), [("chat", True), ("generate", False)])
def test_only_a_task_of_conversations_stores_them(task: str, keeps: bool) -> None:
    served = serve(make_context(), task)
    handler: Any = served.subscriber.lanes._handler
    assert TASKS[task].keeps_conversations is keeps
    assert (handler._requests.pipeline.conversations is not None) is keeps
    assert len(served.subscriber.background_tasks) == keeps


@pytest.mark.parametrize("url", [None, "http://localhost:1"])
def test_requests_are_read_by_their_schemas_only_with_a_registry(url: str | None) -> None:
    context = make_context()
    context.registry = open_registry(RegistrySettings(url=url)) if url else None
    reader = build_handler(TASKS["chat"], LIVE, context, "g").reader
    assert isinstance(reader, SchemaRequestReader if url else JsonRequestReader)


@pytest.mark.parametrize(("batches", "chain", "watches"), [(True, BATCH, 1), (False, BATCH, 0), (True, LIVE, 0)])
def test_topic_of_deferred_requests_is_watched_only_if_requests_are_deferred(
    batches: bool, chain: Any, watches: int
) -> None:
    context = make_context(batches=batches)
    served = serve(context, "generate", chain)
    handler: Any = served.subscriber.lanes._handler
    assert len(context.topic_watches) == len(served.subscriber.background_tasks) == watches
    assert (handler._requests.deferred_topic_watch is not None) == watches


async def test_missing_topic_of_deferred_requests_is_created_and_else_named(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = iter([0, 0, 0, 6])
    monkeypatch.setattr(module, "fetch_partition_count", AsyncMock(side_effect=counts))
    context = make_context(batches=True)
    producer = context.router.producer = Mock(partitions_for=AsyncMock(side_effect=KafkaConnectionError))
    serve(context, "generate", BATCH)
    (watch,) = context.topic_watches
    await watch.check()
    producer.partitions_for.assert_awaited_once_with("shop.generate.deferred")
    assert watch.problem is not None
    assert "shop.generate.deferred" in watch.problem
    assert "as many partitions as shop.generate.requests has" in watch.problem
    await watch.check()
    assert watch.problem is None


def test_handler_has_the_topics_of_its_task() -> None:
    context = make_context(show_reasoning=True)
    handler = build_handler(TASKS["generate"], LIVE, context, "g")
    assert (handler.group, handler.default_reply_topic) == ("g", "shop.generate.replies")
    assert (handler.deferred_topic, handler.dead_letters.topic) == ("shop.generate.deferred", "shop.generate.dead")
    assert handler.dead_letters.group == "g"
    assert handler.pipeline.shows_reasoning
    assert handler.pipeline.deferral is None


def test_deferred_request_has_time_for_two_margins() -> None:
    context = make_context(batches=True, batch_margin_seconds=1800, batch_min_deadline_seconds=7200)
    for name in ("generate", "chat"):
        task = TASKS[name]
        # A request that need not wait is deferred only if no order is kept.
        expected = DeferralPolicy(timedelta(hours=1), None if task.ordered_by_key else timedelta(hours=2))
        assert build_handler(task, BATCH, context, "g").pipeline.deferral == expected
    assert {task.ordered_by_key for task in TASKS.values()} == {True, False}


@pytest.mark.parametrize(
    ("model", "journal", "keeps"),
    [
        (FailingModel(), True, True),
        (FailingModel(), False, False),
        (FailingEmbedder(), True, False),
        (Mock(spec=LanguageServiceModel), True, True),
        (None, True, False),
    ],
    ids=["chat", "turned off", "embeddings", "language service", "local"],
)
def test_calls_are_kept_of_remote_models_that_do_not_embed(model: Any, journal: bool, keeps: bool) -> None:
    breaker = CircuitBreaker(model, lambda: None) if model else None
    chain = FallbackChain([ModelTarget(model or FailingModel(), breaker)])  # type: ignore[arg-type]
    served = serve(make_context(journal=journal), "generate", chain)
    handler: Any = served.subscriber.lanes._handler
    assert (handler._journals is not None) is (handler._requests.journals is not None) is keeps


def test_answers_in_the_background_need_a_journal_for_their_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_BACKGROUND", "true")
    serve(make_context(), "generate", LIVE)
    with pytest.raises(SettingsInvalid, match="needs CARTEIRO_JOURNAL=true"):
        serve(make_context(journal=False), "generate", LIVE)
