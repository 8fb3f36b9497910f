import asyncio
import json
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from carteiro.enrichment.enricher import EnrichedEvent, Enricher, StepFailed
from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentStep, parse_enrichment
from carteiro.enrichment.expression import Expression, Path
from carteiro.wire.event_format import EncodedEvent, EventUnreadable, MemberRefused
from carteiro.wire.json_event import parse_event
from carteiro.wire.record import PARSE_IN_THREAD_BYTES

TWO_STEPS = """\
from: a
to: b
{extra}
steps:
  - {{task: translate, request: "{{text: text}}", into: ai.pt, take: text{first}}}
  - {{task: summarize, request: "{{text: ai.pt}}", into: ai.summary, take: summary}}
  - {{task: sentiment, request: "{{text: text}}", into: ai.mood}}
"""
EVENT = b'{"text": "hello", "n": 1.10}'


def make_file(extra: str = "", first: str = "") -> EnrichmentFile:
    return parse_enrichment(TWO_STEPS.format(extra=extra, first=first).encode(), "f", "f")


class Tasks:
    """Tasks that answer with what they were asked, except for those that fail."""

    def __init__(self, *failing: str) -> None:
        self.failing, self.requests = failing, list[tuple[str, Any]]()

    async def __call__(self, step: EnrichmentStep, request: Any) -> dict[str, Any]:
        self.requests.append((step.task, request))
        await asyncio.sleep(0)
        if step.task in self.failing:
            raise StepFailed("model_unavailable", "the model does not answer")
        text = request["text"].upper()
        return {"translate": {"text": text}, "summarize": {"summary": text}, "sentiment": {"label": text}}[step.task]


async def enrich(file: EnrichmentFile, tasks: Tasks, event: bytes = EVENT) -> EnrichedEvent:
    return await Enricher(file, tasks).enrich(parse_event(event))


async def test_results_are_written_and_the_rest_is_kept() -> None:
    tasks = Tasks()
    enriched = await enrich(make_file(), tasks)
    assert enriched.action == "send"
    assert enriched.value == (
        b'{"text": "hello", "n": 1.10,"ai":{"pt":"HELLO","summary":"HELLO","mood":{"label":"HELLO"}}}'
    )
    assert tasks.requests == [
        ("translate", {"text": "hello"}),
        ("sentiment", {"text": "hello"}),
        ("summarize", {"text": "HELLO"}),
    ]


async def test_event_that_does_not_meet_the_condition_passes_unchanged() -> None:
    tasks = Tasks()
    assert await enrich(make_file("when: other"), tasks) == EnrichedEvent("send", EVENT)
    assert not tasks.requests


async def test_step_that_does_not_meet_its_condition_is_left_out() -> None:
    tasks = Tasks()
    enriched = await enrich(make_file(first=", when: other"), tasks, b'{"text": "hello", "ai": {"pt": "ola"}}')
    assert json.loads(enriched.value)["ai"] == {"pt": "ola", "summary": "OLA", "mood": {"label": "HELLO"}}
    assert not enriched.errors


async def test_failed_step_is_noted_and_so_are_the_steps_that_need_it() -> None:
    enriched = await enrich(make_file(), Tasks("translate"))
    ai = json.loads(enriched.value)["ai"]
    assert ai["mood"] == {"label": "HELLO"}
    assert "pt" not in ai
    assert [(error["step"], error["code"]) for error in ai["errors"]] == [
        ("ai.pt", "model_unavailable"),
        ("ai.summary", "skipped"),
    ]


@pytest.mark.parametrize("action", ["drop", "dead_letter"])
async def test_action_of_the_failed_step_goes_before_the_file_s(action: str) -> None:
    enriched = await enrich(make_file(first=f", on_error: {action}"), Tasks("translate"))
    assert (enriched.action, enriched.value) == (action, EVENT)
    assert (await enrich(make_file(first=f", on_error: {action}"), Tasks("sentiment"))).action == "send"


async def test_condition_that_cannot_be_evaluated_is_an_error_of_the_event() -> None:
    enriched = await enrich(make_file('when: "length(missing) > `3`"'), Tasks())
    assert json.loads(enriched.value)["ai"]["errors"][0]["step"] == "when"
    assert (await enrich(make_file('when: "length(missing) > `3`"\non_error: drop'), Tasks())).action == "drop"


async def test_event_into_which_nothing_can_be_written_goes_on_unchanged_with_its_error() -> None:
    event = b'{"text": "hello", "ai": 5}'
    enriched = await enrich(make_file(), Tasks(), event)
    assert (enriched.action, enriched.value) == ("send", event)
    assert "ai is no object" in enriched.errors[-1].message
    assert (await enrich(make_file("on_error: dead_letter"), Tasks(), event)).action == "dead_letter"


async def test_step_does_not_see_the_result_of_a_later_step() -> None:
    text = b"""
from: a
to: b
steps:
  - {task: translate, request: "{text: x}", into: y, take: text}
  - {task: translate, request: "{text: text}", into: x, take: text}
"""
    enriched = await enrich(parse_enrichment(text, "f", "f"), Tasks(), b'{"text": "new", "x": "old"}')
    assert json.loads(enriched.value) == {"text": "new", "x": "NEW", "y": "OLD"}


@pytest.mark.parametrize("value", [b"", b"text", b"[1]", b"null", b"\xff", b"[" * 100_000])
async def test_value_that_is_no_json_object_is_unreadable(value: bytes) -> None:
    with pytest.raises(EventUnreadable):
        await enrich(make_file(), Tasks(), value)


async def test_byte_order_mark_is_accepted_and_kept() -> None:
    marked = (await enrich(make_file(), Tasks(), b"\xef\xbb\xbf" + EVENT)).value
    assert marked == b"\xef\xbb\xbf" + (await enrich(make_file(), Tasks())).value


async def test_cancellation_ends_every_step() -> None:
    begun, cancelled = asyncio.Event(), list[str]()

    async def hang(step: EnrichmentStep, _: Any) -> dict[str, Any]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(step.task)
        return {}

    task = asyncio.create_task(Enricher(make_file(), hang).enrich(parse_event(EVENT)))
    await begun.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert sorted(cancelled) == ["sentiment", "translate"]


ONE_STEP = b"""
from: a
to: b
steps:
  - {task: translate, request: "{text: text}", into: ai.pt, take: TAKE}
"""


async def enrich_by_one_step(event: bytes, take: bytes = b"text", tasks: Tasks | None = None) -> EnrichedEvent:
    return await enrich(parse_enrichment(ONE_STEP.replace(b"TAKE", take), "f", "f"), tasks or Tasks(), event)


@pytest.mark.parametrize(
    ("take", "text"), [(b"to_number(text)", b"nan"), (b"to_number(text)", b"1e999"), (b"'&text'", b"hi")]
)
async def test_result_without_json_text_is_an_error_of_the_step(take: bytes, text: bytes) -> None:
    enriched = await enrich_by_one_step(b'{"text": "%s"}' % text, take)
    written = json.loads(enriched.value, parse_constant=pytest.fail)
    assert [(error["step"], error["code"]) for error in written["ai"]["errors"]] == [("ai.pt", "invalid_request")]


@pytest.mark.parametrize("event", [b'{"text": "hi", "ai": [{}]}', b'{"text": "hi", "ai": null}'])
async def test_place_that_is_no_object_costs_no_call(event: bytes) -> None:
    tasks = Tasks()
    enriched = await enrich_by_one_step(event, tasks=tasks)
    assert (enriched.action, enriched.value) == ("send", event)
    assert "ai is no object" in enriched.errors[0].message
    assert not tasks.requests


async def test_event_with_two_equal_members_of_which_the_first_is_no_object_stays_unchanged() -> None:
    event = b'{"text": "hi", "ai": 5, "ai": {}}'
    enriched = await enrich_by_one_step(event)
    assert (enriched.action, enriched.value) == ("send", event)
    assert "ai is no object" in enriched.errors[0].message


async def test_number_of_any_length_is_kept() -> None:
    event = b'{"text": "hi", "n": %s, "m": 1}' % (b"9" * 5000)
    assert (await enrich_by_one_step(event)).value == event[:-1] + b',"ai":{"pt":"HI"}}'


@pytest.mark.parametrize("depth", range(900, 1000, 7))
async def test_deep_event_is_enriched_or_unreadable(depth: int) -> None:
    event = b'{"text": "hi", "deep": ' + b"[" * depth + b"]" * depth + b"}"
    try:
        enriched = await enrich_by_one_step(event)
    except EventUnreadable:
        return
    assert enriched.value == event[:-1] + b',"ai":{"pt":"HI"}}' or enriched.errors


@pytest.mark.parametrize(("size", "in_thread"), [(10, False), (PARSE_IN_THREAD_BYTES, True)])
async def test_large_event_is_evaluated_in_a_thread(
    monkeypatch: pytest.MonkeyPatch, size: int, in_thread: bool
) -> None:
    evaluate, threads = Expression.evaluate, list[bool]()

    def note_thread(self: Expression, event: Any) -> Any:
        if event != {"text": "HI"}:  # the result of the task
            threads.append(threading.current_thread() is not threading.main_thread())
        return evaluate(self, event)

    monkeypatch.setattr(Expression, "evaluate", note_thread)
    event = b'{"text": "hi", "other": "%s"}' % (b"x" * size)
    assert (await enrich_by_one_step(event)).value == event[:-1] + b',"ai":{"pt":"HI"}}'
    assert threads == [in_thread]


async def test_place_in_a_large_event_is_checked_in_a_thread() -> None:
    threads = list[bool]()

    class LargeEvent(RefusingEvent):
        is_large = True

        def check_place(self, path: Path) -> None:
            threads.append(threading.current_thread() is not threading.main_thread())

        async def prepare(self) -> None:
            pass

        def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
            return EncodedEvent(b"new")

    await Enricher(make_file(), Tasks()).enrich(LargeEvent())
    assert threads == [True] * 3


class RefusingEvent:
    """An event whose schema cannot have the members."""

    value, document, is_large = EVENT, {"text": "hello"}, False

    def check_place(self, path: Path) -> None:
        pass

    async def prepare(self) -> None:
        raise MemberRefused("the schema has another field of that name")

    def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
        raise AssertionError


@pytest.mark.parametrize(("on_error", "action"), [("keep", "send"), ("drop", "drop"), ("dead_letter", "dead_letter")])
async def test_event_that_cannot_be_written_costs_no_call(on_error: str, action: str) -> None:
    tasks = Tasks()
    enriched = await Enricher(make_file(f"on_error: {on_error}"), tasks).enrich(RefusingEvent())
    assert (enriched.action, enriched.value) == (action, EVENT)
    assert [error.code for error in enriched.errors] == ["invalid_request"]
    assert not tasks.requests


async def test_headers_of_the_format_are_passed_on() -> None:
    class FramedEvent(RefusingEvent):
        async def prepare(self) -> None:
            pass

        def encode(self, members: Mapping[Path, Any]) -> EncodedEvent:
            return EncodedEvent(b"new", (("id", b"1"),))

    enriched = await Enricher(make_file(), Tasks()).enrich(FramedEvent())
    assert (enriched.value, enriched.headers) == (b"new", (("id", b"1"),))
