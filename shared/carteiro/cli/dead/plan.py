"""Plan of a redrive: the dead letters to redrive, before anything is sent."""

from collections.abc import Collection
from dataclasses import dataclass, field

from carteiro.cli.dead import redrive_offsets
from carteiro.cli.dead.filters import DeadLetterFilters, DeadLetterId
from carteiro.cli.dead.table import STATE_WAITING, DeadLetterRow, dead_letter_row
from carteiro.cli.dead.topic import DeadLetterTopic, open_dead_letter_topic
from carteiro.cli.kafka import KafkaFailed, KafkaSession
from carteiro.cli.plural import pluralise
from carteiro.ledger.ledger import Ledger
from carteiro.wire.dead_letter import DeadLetter


@dataclass(slots=True)
class TaskRedrive:
    """A task's dead letters to redrive. Their content is read again when they are sent."""

    task: str
    requests_topic: str
    """The topic that the requests are sent to."""
    offsets: dict[int, set[int]] = field(default_factory=dict)
    """Offsets by partition."""
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    """Ledgers by partition, of all dead letters that were read; the redriven ones are finished."""

    def __len__(self) -> int:
        return sum(map(len, self.offsets.values()))


@dataclass(slots=True)
class RedrivePlan:
    """The planned redrive."""

    task_redrives: list[TaskRedrive] = field(default_factory=list)
    rows: list[DeadLetterRow] = field(default_factory=list)
    """Rows of a table of the dead letters; only for a dry run."""
    already_redriven: int = 0
    """Number of selected dead letters that were redriven already."""
    over_limit: int = 0
    """Number of selected dead letters that were redriven `max_redrives` times or more."""
    unrecordable: int = 0
    """Number of dead letters that would be redriven and cannot be recorded as such."""
    found_by_id: dict[DeadLetterId, list[str]] = field(default_factory=dict)
    """For each given id, the dead letters that it matches."""

    def __len__(self) -> int:
        return sum(map(len, self.task_redrives))

    def destinations(self) -> str:
        """Return the number of requests for each topic, as text."""
        return ", ".join(f"{len(batch)} to {batch.requests_topic}" for batch in self.task_redrives)


async def make_plan(
    kafka: KafkaSession,
    tasks: list[str],
    ids: Collection[DeadLetterId],
    filters: DeadLetterFilters,
    max_redrives: int,
    *,
    dry_run: bool,
) -> RedrivePlan:
    """Read all dead letters of the tasks, and return the plan. `max_redrives` is the number of redrives of
    a request.
    """
    plan = RedrivePlan(found_by_id={each: [] for each in ids})
    for task in tasks:
        async with open_dead_letter_topic(kafka, task) as topic:
            if topic is None:
                continue
            batch = TaskRedrive(task, kafka.topics.requests(task))
            # The ledgers are copied as they were when the topic was opened: a dead letter that is admitted counts as
            # not redriven.
            batch.ledgers = {number: ledger.copy() for number, ledger in topic.ledgers.items()}
            async for dead_letter in topic.read():
                _admit(dead_letter, batch.ledgers[dead_letter.partition])
                if _is_selected(dead_letter, plan, filters):
                    _add(dead_letter, topic, batch, plan, max_redrives, dry_run=dry_run)
            if batch.offsets:
                if batch.requests_topic not in kafka.existing:
                    raise KafkaFailed(
                        f"there is no topic {batch.requests_topic} for {pluralise(len(batch), 'request')} to go to"
                    )
                plan.unrecordable += _count_unrecordable(batch)
                plan.task_redrives.append(batch)
    return plan


def _admit(dead_letter: DeadLetter, ledger: Ledger) -> None:
    # Redriven dead letters stay in the topic. To a ledger, an offset below its beginning would mean a recreated topic.
    if dead_letter.offset >= ledger.committable:
        ledger.admit(dead_letter.offset)


def _is_selected(dead_letter: DeadLetter, plan: RedrivePlan, filters: DeadLetterFilters) -> bool:
    named = not plan.found_by_id
    for each, matches in plan.found_by_id.items():
        if each.matches(dead_letter):
            matches.append(dead_letter.id)
            named = True
    return named and filters.matches(dead_letter)


def _add(
    dead_letter: DeadLetter,
    topic: DeadLetterTopic,
    task_redrive: TaskRedrive,
    plan: RedrivePlan,
    max_redrives: int,
    *,
    dry_run: bool,
) -> None:
    if topic.was_redriven(dead_letter):
        plan.already_redriven += 1
    elif dead_letter.redrive_count >= max_redrives:
        plan.over_limit += 1
    else:
        task_redrive.offsets.setdefault(dead_letter.partition, set()).add(dead_letter.offset)
        if dry_run:
            plan.rows.append(dead_letter_row(dead_letter, STATE_WAITING))


def _count_unrecordable(task_redrive: TaskRedrive) -> int:
    count = 0
    for partition, offsets in task_redrive.offsets.items():
        after = task_redrive.ledgers[partition].copy()
        for offset in offsets:
            after.finish(offset)
        count += redrive_offsets.count_unrecorded(redrive_offsets.roundtrip(after), offsets)
    return count
