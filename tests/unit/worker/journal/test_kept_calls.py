"""Requests of several calls through whole pipelines: the next owner repeats only the last call."""

from dataclasses import replace

from carteiro.enrichment.enrichment_file import parse_enrichment
from carteiro.worker.enrichment.event_handler import EventHandler
from carteiro.worker.handling.dead_letters import DeadLetters
from carteiro.worker.handling.pipeline import Pipeline
from carteiro.worker.tools.toolbox import Toolbox
from tests.provider import Provider
from tests.provider.completions import completion
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.failing_model import FREE
from tests.unit.worker.journal.fake_writer import FakeJournals, FakeWriter
from tests.unit.worker.journal.journaled_worker import JournaledWorker
from tests.unit.worker.tools.fake_source import FakeSource

STEPS = b"""
from: reviews
to: enriched
steps:
  - {task: generate, request: "{prompt: text}", into: ai.first, take: text}
  - {task: generate, request: "{prompt: join(' ', ['again', ai.first])}", into: ai.second, take: text}
"""

JSON_STEPS = b"""
from: reviews
to: enriched
on_error: dead_letter
steps:
  - {task: generate, request: "{prompt: text, json_schema: {type: 'object'}}", into: ai.first}
  - {task: generate, request: "{prompt: join(' ', ['again', text]), json_schema: {type: 'object'}}", into: ai.second}
"""


async def test_steps_of_an_enrichment(provider: Provider, pipeline: Pipeline) -> None:
    writer, record = FakeWriter(), FakeRecord(b'{"text": "one"}', (), b"key", "reviews", 0, 17)
    file, dead_letters = parse_enrichment(STEPS, "f", "shop"), DeadLetters("llm.enrich-shop.dead", "g")
    for _ in range(2):
        handler = EventHandler(file, {"generate": pipeline}, FREE, "g", dead_letters, journals=FakeJournals(writer))
        outcome = await handler.handle(record)
        assert b"again one" in (outcome.records[0].value or b"")
    assert provider.calls == {"one": 1, "again one": 2}
    assert outcome.cleanup is not None
    assert {each.key for each in outcome.cleanup.tombstones} >= writer.values.keys()


async def test_redriven_event_asks_again_for_completions_of_no_use(provider: Provider, pipeline: Pipeline) -> None:
    writer, record = FakeWriter(), FakeRecord(b'{"text": "count"}', (), b"key", "reviews", 0, 17)
    file, dead_letters = parse_enrichment(JSON_STEPS, "f", "shop"), DeadLetters("llm.enrich-shop.dead", "g")
    for _ in range(4):
        provider.queue_completion("no JSON")
    results = []
    for _ in range(2):
        handler = EventHandler(file, {"generate": pipeline}, FREE, "g", dead_letters, journals=FakeJournals(writer))
        outcome = await handler.handle(record)
        results.append(outcome.result)
        for tombstone in outcome.cleanup.tombstones if outcome.cleanup else ():
            writer.apply(tombstone)
    assert results == ["dead_letter", "enriched"]


async def test_equal_calls_of_tools_in_two_steps_have_keys_of_their_own(provider: Provider, pipeline: Pipeline) -> None:
    steps = STEPS.replace(b"{prompt: text}", b"{prompt: text, served_tools: ['weather']}")
    steps = steps.replace(b"['again', ai.first])}", b"['again', ai.first]), served_tools: ['weather']}")
    file, dead_letters = parse_enrichment(steps, "f", "shop"), DeadLetters("llm.enrich-shop.dead", "g")
    called = [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Faro"}'}}]
    keys = []
    for _ in range(2):
        source = FakeSource()
        with_tools = replace(pipeline, toolbox=Toolbox({"weather": source}, [], 4))
        handler = EventHandler(
            file, {"generate": with_tools}, FREE, "g", dead_letters, journals=FakeJournals(FakeWriter())
        )
        for _ in range(2):
            provider.answer(completion({"model": "echo"}, None, "tool_calls", 9, 9, tool_calls=called))
            provider.queue_completion("mild")
        assert (await handler.handle(FakeRecord(b'{"text": "one"}', (), b"key", "reviews", 0, 17))).result == "enriched"
        keys.append(source.keys)
    assert keys[0] == keys[1]
    assert len(set(keys[0])) == 2


async def test_second_try_at_json(provider: Provider, pipeline: Pipeline) -> None:
    writer, usages = FakeWriter(), []
    schema = b'{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}'
    record = FakeRecord(b'{"prompt": "count", "json_schema": %s}' % schema, (), b"key", "llm.generate.requests", 0, 17)
    provider.queue_completion("no JSON")
    for _ in range(2):
        outcome = await JournaledWorker(pipeline, writer).handle(record)
        assert outcome.reply.status == "ok"
        usages.append(outcome.reply.usage)
    assert len(provider.requests) == 3, "the first call once, the second twice"
    assert usages[1] == usages[0].model_copy(update={"reused_calls": 1})
