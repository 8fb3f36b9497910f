"""Which letters a redrive is about, before anything is sent."""

from collections.abc import Collection
from dataclasses import dataclass, field

from carteiro.cli.dead import remembered
from carteiro.cli.dead.choice import Filters, LetterId
from carteiro.cli.dead.listing import WAITING, Row, row
from carteiro.cli.dead.topic import DeadTopic, opened
from carteiro.cli.kafka import Kafka, KafkaFailed
from carteiro.wire.dead_letter import DeadLetter
from carteiro.worker.delivery.ledger import Ledger


@dataclass(slots=True)
class Batch:
    """A task's letters to be redriven. What they hold is read again when it is sent."""

    task: str
    requests: str
    """The topic they go to."""
    offsets: dict[int, set[int]] = field(default_factory=dict)
    """By partition."""
    ledgers: dict[int, Ledger] = field(default_factory=dict)
    """By partition, all letters that were seen; those that had been redriven are finished."""

    def __len__(self) -> int:
        return sum(map(len, self.offsets.values()))


@dataclass(slots=True)
class Plan:
    """What a redrive would do."""

    batches: list[Batch] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    """The lines of a table of the letters; kept for a dry run alone."""
    already: int = 0
    """Letters that were chosen and have been redriven."""
    worn: int = 0
    """Letters that were chosen and have come back too often."""
    unsure: int = 0
    """Letters that would be redriven and cannot be remembered."""
    found: dict[LetterId, list[str]] = field(default_factory=dict)
    """For each id that was named, the letters at that place."""

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def where(self) -> str:
        """How many go to which topics, in words."""
        return ", ".join(f"{len(batch)} to {batch.requests}" for batch in self.batches)


async def make_plan(
    kafka: Kafka, tasks: list[str], ids: Collection[LetterId], filters: Filters, most: int, *, dry_run: bool
) -> Plan:
    """Look at the tasks' letters, all of them. `most` is how often a request may be redriven."""
    plan = Plan(found={each: [] for each in ids})
    for task in tasks:
        async with opened(kafka, task) as topic:
            if topic is None:
                continue
            batch = Batch(task, kafka.topics.requests(task))
            # As it was when the topic was opened: taking letters in does not tell whether they are redriven.
            batch.ledgers = {number: ledger.copy() for number, ledger in topic.ledgers.items()}
            async for letter in topic.letters():
                _see(letter, batch.ledgers[letter.partition])
                if _chosen(letter, plan, filters):
                    _add(letter, topic, batch, plan, most, dry_run=dry_run)
            if batch.offsets:
                if batch.requests not in kafka.existing:
                    raise KafkaFailed(f"there is no topic {batch.requests} for {len(batch)} requests to go to")
                plan.unsure += _unsure(batch)
                plan.batches.append(batch)
    return plan


def _see(letter: DeadLetter, ledger: Ledger) -> None:
    # Redriven letters stay in the topic; to the ledger one from before its beginning would mean a topic made anew.
    if letter.offset >= ledger.low:
        ledger.take(letter.offset)


def _chosen(letter: DeadLetter, plan: Plan, filters: Filters) -> bool:
    named = not plan.found
    for each, places in plan.found.items():
        if each.fits(letter):
            places.append(letter.id)
            named = True
    return named and filters.match(letter)


def _add(letter: DeadLetter, topic: DeadTopic, batch: Batch, plan: Plan, most: int, *, dry_run: bool) -> None:
    if topic.redriven(letter):
        plan.already += 1
    elif letter.redrives >= most:
        plan.worn += 1
    else:
        batch.offsets.setdefault(letter.partition, set()).add(letter.offset)
        if dry_run:
            plan.rows.append(row(letter, WAITING))


def _unsure(batch: Batch) -> int:
    count = 0
    for partition, offsets in batch.offsets.items():
        after = batch.ledgers[partition].copy()
        for offset in offsets:
            after.finish(offset)
        count += remembered.forgotten(remembered.as_kept(after), offsets)
    return count
