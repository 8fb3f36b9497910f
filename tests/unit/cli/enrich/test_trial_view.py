import io
import json
from typing import Any

import pytest
from rich.console import Console

from carteiro.cli.enrich.trial_view import print_result, print_result_as_json, print_totals
from carteiro.enrichment.enricher import EnrichedEvent, StepError
from carteiro.schemas import Usage
from carteiro.worker.composition.enrichment_trial import TrialResult
from tests.unit.wire.fake_record import FakeRecord

BEFORE, AFTER = b'{"text": "hello"}', b'{"text": "hello","ai":"yes"}'
USAGE = Usage(input_tokens=900, output_tokens=100, cost_usd=0.004)


def make_result(
    before: bytes | None = BEFORE,
    after: bytes = AFTER,
    action: Any = "send",
    errors: tuple[StepError, ...] = (),
    **fields: Any,
) -> TrialResult:
    fields = {"usage": USAGE, "seconds": 1.26} | fields
    return TrialResult(FakeRecord(before, topic="reviews"), before, EnrichedEvent(action, after, errors), **fields)


def shown(result: TrialResult) -> str:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "utf-8"), width=120, highlight=False)
    print_result(console, result)
    console.file.seek(0)
    return console.file.read()


def totals(results: list[TrialResult], backlog: int) -> str:
    console = Console(file=io.StringIO(), width=120, highlight=False)
    print_totals(console, results, backlog)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_event_is_shown_before_and_after_with_its_price() -> None:
    text = shown(make_result())
    assert "reviews/2/17  1,000 tokens  0.004000 USD  1.3 s" in text
    assert text.count('"text": "hello"') == 2
    assert '"ai": "yes"' in text


def test_numbers_are_shown_as_they_stand_in_the_event() -> None:
    text = shown(make_result(b'{"price": 19.90}', b'{"price": 19.90,"ai":"yes"}'))
    assert text.count('"price": 19.90') == 2


def test_unchanged_event_takes_one_line() -> None:
    assert shown(make_result(after=BEFORE, usage=Usage())) == "reviews/2/17  unchanged\n"
    assert shown(make_result(None, b"", usage=Usage())) == "reviews/2/17  unchanged\n"


@pytest.mark.parametrize(("action", "word"), [("drop", "dropped"), ("dead_letter", "dead letter")])
def test_event_that_does_not_go_on_is_shown_once(action: str, word: str) -> None:
    text = shown(make_result(after=BEFORE, action=action))
    assert word in text
    assert text.count('"text": "hello"') == 1


@pytest.mark.parametrize(
    "value", [b"\x1b]0;evil\x07", '{"a": "\x9b31m"}'.encode(), b'{"a": "\\ud800"}', b"\xff\x1b[2J", "\u202e".encode()]
)
def test_event_never_reaches_the_terminal_as_control_characters(value: bytes) -> None:
    text = shown(make_result(value, value, errors=(StepError("event", "internal", "\x1b[2J"),)))
    assert not [char for char in text if not (char.isprintable() or char == "\n")]


def test_brackets_in_an_error_are_shown() -> None:
    error = StepError("when", "invalid_request", "join(',', [a, b]): no [/end]")
    assert "when: invalid_request: join(',', [a, b]): no [/end]" in shown(make_result(errors=(error,)))


def test_totals_extrapolate_to_the_backlog() -> None:
    text = totals([make_result(), make_result(errors=(StepError("event", "internal", "no"),))], 1000)
    assert "2 events, 1 with errors, 2,000 tokens, 0.008000 USD. Nothing was written." in text
    assert "Backlog: 1,000 events; at the mean of these, 1,000,000 tokens, 4.00 USD." in text


def test_unknown_price_of_one_event_makes_the_sum_unknown() -> None:
    text = totals([make_result(), make_result(usage=Usage(input_tokens=1))], 10)
    assert text.count("price unknown") == 2


def test_event_without_a_call_costs_nothing() -> None:
    assert "0 tokens, 0.00 USD" in totals([make_result(usage=Usage())], 10)


def test_json_has_one_line_with_all_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    print_result_as_json(make_result(b"\xff", errors=(StepError("event", "unreadable", "no JSON"),)))
    (line,) = capsys.readouterr().out.splitlines()
    printed = json.loads(line)
    assert (printed["event_id"], printed["action"], printed["before"]) == ("reviews/2/17", "send", "\ufffd")
    assert (printed["after"], printed["seconds"]) == (AFTER.decode(), 1.26)
    assert printed["errors"] == [{"step": "event", "code": "unreadable", "message": "no JSON"}]
    assert printed["usage"]["cost_usd"] == 0.004


def test_tombstone_is_null_in_json_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    print_result_as_json(make_result(None, b"", usage=Usage()))
    printed = json.loads(capsys.readouterr().out)
    assert (printed["before"], printed["after"]) == (None, None)


def test_long_word_is_folded_and_not_cut() -> None:
    address = b"s3://letters/" + b"0123456789" * 10
    text = shown(make_result(b'{"at": "%s"}' % address))
    assert "…" not in text
    assert text.count("9") == 10
