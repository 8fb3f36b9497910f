"""The checks of an enrichment, on the topics and events that a test gives."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from carteiro.cli.doctor import enrichment_checks as module
from carteiro.cli.doctor.enrichment_checks import check_enrichment
from carteiro.cli.doctor.finding import Finding
from carteiro.models.settings import ModelSettings
from carteiro.settings.worker import WorkerSettings
from tests.unit.wire.fake_record import FakeRecord

TEXT = """\
from: reviews
to: enriched
when: "lang == 'en'"
steps:
  - {task: translate, request: "{text: body, target: 'pt'}", into: ai.pt, take: text}
  - {task: summarize, request: "{text: ai.pt}", into: ai.summary}
"""
ALL_TOPICS = ["reviews", "enriched", "llm.enrich-shop.dead"]


class Kafka:
    """Admin client of a cluster with these topics and events."""

    def __init__(self) -> None:
        self.topics, self.failure, self.calls = ALL_TOPICS, None, 0  # type: ignore[var-annotated]
        self.events: list[FakeRecord] = []

    async def list_topics(self) -> list[str]:
        self.calls += 1
        if self.failure:
            raise self.failure
        return self.topics

    def add(self, *values: bytes | None) -> None:
        self.events += [FakeRecord(value, topic="reviews", offset=offset) for offset, value in enumerate(values)]


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()

    @asynccontextmanager
    async def admin_client(_: Any) -> AsyncIterator[Kafka]:
        yield kafka

    async def read_events(_: Any, topic: str, count: int, since: None) -> list[FakeRecord]:
        assert (topic, since) == ("reviews", None)
        return kafka.events[-count:]

    monkeypatch.setattr(module, "admin_client", admin_client)
    monkeypatch.setattr(module, "read_events", read_events)
    return kafka


@pytest.fixture
def check(tmp_path: Path) -> Any:
    async def check(old: str = "", new: str = "", model: str = "openai:x") -> list[Finding]:
        path = tmp_path / "shop.yaml"
        path.write_text(TEXT.replace(old, new))
        settings = WorkerSettings(model=model)
        return [each async for each in check_enrichment(path, settings, ModelSettings(OPENAI_API_KEY="k"))]  # type: ignore[call-arg]

    return check


async def test_good_enrichment_has_only_good_findings(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "en", "body": "hello"}', b'{"lang": "pt"}', None)
    findings = await check()
    assert [(each.what, each.verdict) for each in findings] == [
        ("enrichment shop", "ok"),
        ("topics of shop", "ok"),
        ("events of reviews", "ok"),
        ("events of reviews", "ok"),
    ]
    # The second step reads the result of the first, which there is not yet.
    assert [each.message for each in findings[2:]] == [
        "when: true on 1 of 2 events",
        "steps.0.request (ai.pt): a request from 1 of 1 event",
    ]


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        ("task: summarize", "task: sing", ["steps.1.task: there is no task 'sing'"]),
        ("to: enriched", "to: 'no topic'\nwait: soon", ["line 2: to: ", "line 3: wait: "]),
    ],
)
async def test_every_fault_of_the_file_is_a_finding_and_nothing_else_is_checked(
    kafka: Kafka, check: Any, old: str, new: str, messages: list[str]
) -> None:
    findings = await check(old, new)
    assert [each.verdict for each in findings] == ["fault"] * len(messages)
    assert all(message in each.message for each, message in zip(findings, messages, strict=True))
    assert not kafka.calls


async def test_model_that_cannot_be_used_is_a_fault_and_the_topics_are_checked_too(kafka: Kafka, check: Any) -> None:
    first, second, *_ = await check(model="nobody:x")
    assert (first.what, first.verdict, second.what) == ("models of shop", "fault", "topics of shop")


@pytest.mark.parametrize(
    ("missing", "verdict", "message"),
    [
        ("reviews", "fault", "there is no reviews, which `from` names"),
        ("enriched", "warning", "there is no enriched"),
        ("llm.enrich-shop.dead", "warning", "there is no llm.enrich-shop.dead"),
    ],
)
async def test_missing_topic_is_named(kafka: Kafka, check: Any, missing: str, verdict: str, message: str) -> None:
    kafka.topics = [each for each in ALL_TOPICS if each != missing]
    _, finding, *others = await check()
    assert (finding.what, finding.verdict, finding.message) == ("topics of shop", verdict, message)
    assert bool(others) == (missing != "reviews")


async def test_topic_without_events_is_a_warning(kafka: Kafka, check: Any) -> None:
    kafka.add(None)
    (*_, finding) = await check()
    assert (finding.verdict, finding.message) == ("warning", "there is no event yet, so no expression was tried")


async def test_unreadable_event_is_named_and_the_others_are_tried(kafka: Kafka, check: Any) -> None:
    kafka.add(b"no JSON", b'{"lang": "en", "body": "hello"}')
    _, _, unreadable, when, _ = await check()
    assert (unreadable.verdict, unreadable.message) == ("warning", "reviews/2/0: the event is no JSON in UTF-8")
    assert when.message == "when: true on 1 of 1 event"


async def test_expression_that_fails_names_its_event(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "en"}', b'{"lang": 5}')
    (*_, finding) = await check("lang == 'en'", "starts_with(lang, 'e')")
    assert (finding.verdict, finding.message.startswith("when: on reviews/2/1: ")) == ("fault", True)


async def test_expression_that_never_finds_anything_is_a_warning(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "pt"}', b"{}")
    (*_, finding) = await check()
    assert (finding.verdict, finding.message) == ("warning", "when: lang == 'en' is false on all 2 events")


async def test_request_that_its_task_refuses_is_named_with_the_event(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "en", "body": "hello"}', b'{"lang": "en"}', b'{"lang": "pt"}')
    (*_, finding) = await check()
    assert (finding.verdict, finding.message) == (
        "warning",
        "steps.0.request (ai.pt): a request from 1 of 2 events; on reviews/2/1: text: must be a text, not null",
    )
    assert "`when`" in finding.advice


async def test_request_that_is_always_refused_points_to_the_names_of_fields(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "en", "body": "hello"}')
    (*_, finding) = await check("text: body", "text: boddy")
    assert "a request from 0 of 1 event" in finding.message
    assert "--try 1" in finding.advice


async def test_condition_of_a_step_chooses_the_events_of_its_request(kafka: Kafka, check: Any) -> None:
    kafka.add(b'{"lang": "en", "body": "hello"}', b'{"lang": "en"}')
    (*_, condition, request) = await check("into: ai.pt,", "into: ai.pt, when: body,")
    assert condition.message == "steps.0.when (ai.pt): true on 1 of 2 events"
    assert request.message == "steps.0.request (ai.pt): a request from 1 of 1 event"


async def test_kafka_that_refuses_is_a_fault_with_advice(kafka: Kafka, check: Any) -> None:
    kafka.failure = TopicAuthorizationFailedError("reviews")  # type: ignore[assignment]
    (*_, finding) = await check()
    assert (finding.what, finding.verdict) == ("topics of shop", "fault")
    assert "kafka-security.md" in finding.advice


async def test_broker_that_is_away_is_no_finding_of_its_own(kafka: Kafka, check: Any) -> None:
    kafka.failure = KafkaConnectionError("away")  # type: ignore[assignment]
    assert [each.what for each in await check()] == ["enrichment shop"]
