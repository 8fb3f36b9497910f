"""The cost of the mapping: from an event's bytes to the enriched event's, with tasks that answer at once."""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.enrichment.events import AVRO_SCHEMA, ONE_STEP, THREE_STEPS, event
from carteiro.enrichment.enricher import Enricher
from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentStep, parse_enrichment
from carteiro.enrichment.member_schemas import member_schemas, result_schemas
from carteiro.registry.connection import open_registry
from carteiro.registry.settings import RegistrySettings
from carteiro.wire.event_format import EventFormat
from carteiro.wire.json_event import JsonFormat
from carteiro.worker.enrichment.event_outcome import copy_event
from tests.registry_server import RegistryServer
from tests.unit.registry.confluent import Confluent
from tests.unit.wire.fake_record import FakeRecord

MAX_MS = {"JSON": 0.1, "Avro": 0.3}
_ROUNDS = 5
_RESULTS: dict[str, dict[str, Any]] = {
    "generate": {"text": "The keeper lit the lamp and listened to the sea."},
    "sentiment": {"label": "positive", "score": 0.97, "scores": {"positive": 0.97, "negative": 0.03}},
    "translate": {"text": "O guarda acendeu a luz e ouviu o mar."},
    "summarize": {"summary": "It came early, with a bent corner, and the shop helped."},
}


@dataclass(frozen=True, slots=True)
class MappingCost:
    """Processor time of the mapping of one event."""

    format: str
    case: str
    event_bytes: int
    ms: float

    @property
    def met(self) -> bool:
        return self.ms <= MAX_MS[self.format]


async def measure_mapping(seconds: float) -> AsyncIterator[MappingCost]:
    """Yield the costs, each measured for `seconds`."""
    one, three = (_file(text) for text in (ONE_STEP, THREE_STEPS))
    plain, written = json.dumps(event(1)).encode(), json.dumps(event(1) | {"ai": {"reply": "none"}}).encode()
    formats = JsonFormat()
    for case, file, value in (
        ("one step", one, plain),
        ("three steps", three, plain),
        ("one step, whose place is there already", one, written),
    ):
        yield MappingCost("JSON", case, len(value), await _cost(file, formats, value, seconds))
    async with RegistryServer() as server:
        confluent, registry = Confluent(server), open_registry(RegistrySettings(url=server.url))
        encoded = (await confluent.avro(AVRO_SCHEMA, event(1))).value or b""
        for case, file in (("one step", one), ("three steps", three)):
            avro = registry.event_format(file.target, member_schemas(file, result_schemas()))
            yield MappingCost("Avro", case, len(encoded), await _cost(file, avro, encoded, seconds))
        await registry.close()
        await confluent.close()


def _file(text: str) -> EnrichmentFile:
    return parse_enrichment(text.format(source="reviews", target="enriched").encode(), "bench", "bench")


async def _cost(file: EnrichmentFile, event_format: EventFormat, value: bytes, seconds: float) -> float:
    """Return the milliseconds of processor time for an event, in the fastest of several rounds."""
    record = FakeRecord(value)

    async def answer(step: EnrichmentStep, _: Any) -> dict[str, Any]:
        return _RESULTS[step.task]

    async def enrich() -> None:
        enriched = await Enricher(file, answer).enrich(await event_format.decode(record))
        assert not enriched.errors, enriched.errors
        assert copy_event(record, file.target, enriched.value, "", enriched.headers).value != value

    await enrich()
    return min([await _round(enrich, seconds / _ROUNDS) for _ in range(_ROUNDS)])


async def _round(enrich: Callable[[], Awaitable[None]], seconds: float) -> float:
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < seconds:
        for _ in range(100):
            await enrich()
        count += 100
    return spent * 1000 / count
