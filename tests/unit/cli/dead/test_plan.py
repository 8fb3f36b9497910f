"""The plan of a redrive, of topics that a test fills."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.cli.dead import plan as module
from carteiro.cli.dead import redrive_offsets
from carteiro.cli.dead.filters import DeadLetterFilters, DeadLetterId
from carteiro.cli.dead.plan import RedrivePlan, make_plan
from carteiro.cli.kafka import KafkaFailed
from carteiro.ledger.ledger import Ledger
from carteiro.wire.dead_letter import DeadLetter
from carteiro.wire.topics import Topics

AT = datetime(2026, 1, 2, tzinfo=UTC)


def letter(
    offset: int, partition: int = 0, task: str = "chat", code: str = "internal", redrives: int = 0
) -> DeadLetter:
    unset: dict[str, Any] = dict.fromkeys(
        ("key", "value", "origin", "exception_class", "reason", "tries", "correlation_id")
    )
    topic = f"llm.{task}.dead"
    return DeadLetter(topic, partition, offset, dead_at=AT, headers=(), code=code, redrive_count=redrives, **unset)


class FakeTopic:
    """Topic of dead letters. `redriven` are the offsets of partition 0 that were redriven."""

    def __init__(self, *letters: DeadLetter, redriven: tuple[int, ...] = ()) -> None:
        self.letters = letters
        self.ledgers = {each.partition: Ledger() for each in letters}
        for offset in redriven:
            self.ledgers[0].admit(offset)
            self.ledgers[0].finish(offset)

    def was_redriven(self, letter: DeadLetter) -> bool:
        return self.ledgers[letter.partition].is_finished(letter.offset)

    async def read(self) -> AsyncIterator[DeadLetter]:
        for each in self.letters:
            yield each


@pytest.fixture
def plan_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    async def plan_of(
        *topics: FakeTopic | None,
        ids: Any = (),
        filters: Any = None,
        max_redrives: int = 3,
        existing: Any = None,
        dry_run: bool = False,
    ) -> RedrivePlan:
        by_task = dict(zip(("chat", "generate"), topics, strict=False))

        @asynccontextmanager
        async def open_topic(_: Any, task: str) -> AsyncIterator[FakeTopic | None]:
            yield by_task[task]

        monkeypatch.setattr(module, "open_dead_letter_topic", open_topic)
        names = {Topics().requests(task) for task in by_task} if existing is None else existing
        kafka: Any = SimpleNamespace(topics=Topics(), existing=names)
        return await make_plan(kafka, list(by_task), ids, filters or DeadLetterFilters(), max_redrives, dry_run=dry_run)

    return plan_of


async def test_letters_of_all_tasks_are_planned_by_topic_and_partition(plan_of: Any) -> None:
    plan = await plan_of(FakeTopic(letter(0), letter(1), letter(0, 1)), FakeTopic(letter(4, task="generate")))
    assert [redrive.offsets for redrive in plan.task_redrives] == [{0: {0, 1}, 1: {0}}, {0: {4}}]
    assert len(plan) == 4
    assert plan.destinations() == "3 to llm.chat.requests, 1 to llm.generate.requests"
    assert not plan.rows


async def test_missing_and_empty_topics_are_left_out(plan_of: Any) -> None:
    plan = await plan_of(None, FakeTopic(), existing=set())
    assert (len(plan), plan.destinations()) == (0, "")


async def test_redriven_letters_and_those_over_the_limit_stay(plan_of: Any) -> None:
    plan = await plan_of(FakeTopic(letter(0), letter(1, redrives=3), letter(2, redrives=2), redriven=(0,)))
    assert (plan.task_redrives[0].offsets, plan.already_redriven, plan.over_limit) == ({0: {2}}, 1, 1)


async def test_ledger_of_the_plan_has_every_letter_and_the_topic_s_stays_as_it_was(plan_of: Any) -> None:
    topic = FakeTopic(letter(0), letter(1), letter(2, code="expired"), redriven=(0,))
    plan = await plan_of(topic, filters=DeadLetterFilters(codes=["internal"]))
    ledger = plan.task_redrives[0].ledgers[0]
    ledger.finish(1)
    assert ledger.committable == 2
    assert topic.ledgers[0].committable == 1


async def test_ids_select_letters_and_name_their_matches(plan_of: Any) -> None:
    ids = [DeadLetterId(None, 0, 1), DeadLetterId("llm.chat.dead", 0, 2), DeadLetterId(None, 0, 9)]
    plan = await plan_of(FakeTopic(letter(0), letter(1), letter(2)), FakeTopic(letter(1, task="generate")), ids=ids)
    assert [redrive.offsets for redrive in plan.task_redrives] == [{0: {1, 2}}, {0: {1}}]
    assert list(plan.found_by_id.values()) == [
        ["llm.chat.dead/0/1", "llm.generate.dead/0/1"],
        ["llm.chat.dead/0/2"],
        [],
    ]


async def test_named_letter_has_to_meet_the_filters_too(plan_of: Any) -> None:
    ids = [DeadLetterId(None, 0, 1)]
    plan = await plan_of(FakeTopic(letter(1)), ids=ids, filters=DeadLetterFilters(codes=["expired"]))
    assert (len(plan), plan.found_by_id[ids[0]]) == (0, ["llm.chat.dead/0/1"])


async def test_dry_run_has_a_row_for_each_planned_letter(plan_of: Any) -> None:
    plan = await plan_of(FakeTopic(letter(0), letter(1, redrives=9)), dry_run=True)
    assert len(plan.rows) == 1


async def test_requests_need_a_topic_to_go_to(plan_of: Any) -> None:
    with pytest.raises(KafkaFailed, match=r"no topic llm\.chat\.requests for 2 requests"):
        await plan_of(FakeTopic(letter(0), letter(1)), existing=set())


async def test_letters_that_a_commit_cannot_hold_are_counted(plan_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrive_offsets, "roundtrip", lambda _: Ledger())
    assert (await plan_of(FakeTopic(letter(1), letter(3)))).unrecordable == 2


async def test_letters_that_a_commit_holds_are_not_counted(plan_of: Any) -> None:
    assert (await plan_of(FakeTopic(letter(1), letter(3)))).unrecordable == 0
