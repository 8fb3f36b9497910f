"""Workers, one after the other, that keep their calls in a journal."""

from typing import Any

from carteiro.wire.topics import Topics
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.handler import RequestHandler
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.handling.reply_outcome import ReplyOutcome
from carteiro.worker.handling.reply_router import ReplyAddress
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import FREE
from tests.unit.worker.journal.fake_writer import FakeJournals, FakeWriter


class FakeRouter:
    """Router to which all topics exist."""

    producer = None

    async def resolve(self, _envelope: Any, default_reply_topic: str) -> ReplyAddress:
        return ReplyAddress(default_reply_topic)


class JournaledWorker:
    """Worker of the task `generate`. For each request it is a new one, which has just read the journal's topic."""

    def __init__(self, pipeline: Pipeline, writer: FakeWriter) -> None:
        self._pipeline, self._writer = pipeline, writer

    async def handle(self, record: FakeRecord) -> ReplyOutcome:
        router: Any = FakeRouter()
        handler = RequestHandler(
            self._pipeline,
            router,
            FREE,
            "g",
            "llm.generate.replies",
            "llm.generate.deferred",
            Topics("llm"),
            DeadLetters("llm.generate.dead", "g"),
            journals=FakeJournals(self._writer),
        )
        outcome = await handler.handle(record)
        assert isinstance(outcome, ReplyOutcome)
        return outcome
