"""The dead letters of a service: requests that failed, that could not be read, or that ended their workers."""

from dataclasses import dataclass
from datetime import UTC, datetime

from carteiro.wire.dead_letter import dead_letter_record
from carteiro.wire.record import OutgoingRecord, Record


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Builder of dead letters for the topic `topic`. `group` is the consumer group of the records."""

    topic: str
    group: str

    def build(self, record: Record, code: str, reason: str, tries: int = 0) -> OutgoingRecord:
        """Return the dead letter of a record. `tries` is the number of calls or runs that failed before."""
        now = datetime.now(UTC)
        return dead_letter_record(record, self.topic, group=self.group, reason=reason, code=code, tries=tries, at=now)
