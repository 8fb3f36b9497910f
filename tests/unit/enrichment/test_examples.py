"""The example files, each with events of its own."""

import json
from pathlib import Path
from typing import Any

import pytest

from carteiro.enrichment.enricher import Enricher
from carteiro.enrichment.enrichment_file import EnrichmentStep, load_enrichment_file
from carteiro.schemas import REQUESTS
from carteiro.wire.json_event import parse_event

EXAMPLES = sorted((Path(__file__).parents[3] / "examples" / "enrich").glob("*.yaml"))
RESULTS = {
    "sentiment": {"label": "positive", "score": 0.9},
    "summarize": {"summary": "short"},
    "translate": {"text": "translated"},
}


async def call_task(step: EnrichmentStep, request: Any) -> dict[str, Any]:
    REQUESTS[step.task].model_validate(request)
    return RESULTS[step.task]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
async def test_first_event_is_enriched_without_errors_and_the_last_passes_unchanged(path: Path) -> None:
    file = load_enrichment_file(path)
    events = path.with_suffix(".jsonl").read_bytes().splitlines()
    enricher = Enricher(file, call_task)
    first = await enricher.enrich(parse_event(events[0]))
    assert not first.errors
    document = json.loads(first.value)
    for step in file.steps:
        value = document
        for name in step.into:
            value = value[name]
        assert value is not None
    assert (await enricher.enrich(parse_event(events[-1]))).value == events[-1]


async def test_numbers_of_an_event_are_kept_to_the_digit() -> None:
    path = next(each for each in EXAMPLES if each.stem == "reviews")
    event = path.with_suffix(".jsonl").read_bytes().splitlines()[0]
    value = (await Enricher(load_enrichment_file(path), call_task).enrich(parse_event(event))).value
    assert value.startswith(b'{"id": 12345678901234567890, "lang": "en", "price": 19.90, ')


FORMS = {
    "a compacted topic": "products_compacted",
    "CloudEvents, structured": "tickets_cloudevents",
    "CloudEvents, binary": "tickets_cloudevents_binary",
    "Debezium": "comments_debezium",
    "nested values and arrays": "orders",
    "numbers": "reviews",
}


def test_every_form_of_events_has_an_example() -> None:
    assert {path.stem for path in EXAMPLES} == set(FORMS.values())
