"""The report of a redrive."""

import json
from datetime import UTC, datetime

import pytest

from carteiro.cli.dead.plan import RedrivePlan, TaskRedrive
from carteiro.cli.dead.redrive import RedriveResult
from carteiro.cli.dead.report import JsonRedriveReport, RedriveReport
from carteiro.cli.dead.table import DeadLetterRow

ROW = DeadLetterRow(datetime(2026, 1, 1, tzinfo=UTC), "llm.chat.dead/0/1", ("",) * 8)


def plan() -> RedrivePlan:
    return RedrivePlan(
        [TaskRedrive("chat", "llm.chat.requests", {0: {1, 2}})], [ROW], already_redriven=3, over_limit=4, unrecordable=1
    )


def test_skipped_letters_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    RedriveReport(plan()).print_skipped(5)
    output = capsys.readouterr()
    assert output.out.splitlines() == [
        "3 already redriven: skipped",
        "4 skipped, redriven 5 times or more and failed again (--max-redrives)",
    ]
    assert output.err.startswith("carteiro: warning: 1 of these will show as waiting again")


def test_result_counts_what_was_sent_and_names_what_was_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    RedriveReport(plan()).print_result(RedriveResult(1, 1, {"llm.chat.dead/0/2": "too large"}, unrecorded=3))
    output = capsys.readouterr()
    assert output.out.splitlines() == ["1 were redriven by another command meanwhile", "1 of 2 redriven"]
    rejected, warning = output.err.splitlines()
    assert rejected == "carteiro: llm.chat.dead/0/2 is rejected by the topic: too large"
    assert warning.startswith("carteiro: warning: 2 of these will show as waiting again")


def test_result_is_one_object_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    report = JsonRedriveReport(plan())
    report.print_skipped(5)
    report.print_result(RedriveResult(2))
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "chosen": 2,
        "to": {"llm.chat.requests": 2},
        "redriven": 2,
        "refused": {},
        "already": 3,
        "worn": 4,
        "forgotten": 1,
    }


def test_plan_is_printed_if_nothing_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    RedriveReport(plan()).print_plan()
    assert capsys.readouterr().out.splitlines()[-1] == "would redrive 2 to llm.chat.requests"
    JsonRedriveReport(plan()).print_plan()
    first, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {"id": "llm.chat.dead/0/1", "would_redrive": True}
    assert (last["chosen"], last["redriven"]) == (2, 0)
    RedriveReport(RedrivePlan()).print_plan()
    assert capsys.readouterr().out == "nothing to redrive\n"
