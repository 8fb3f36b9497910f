"""Subjects under which schemas are registered.

https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/#subject-name-strategy.
"""

from enum import StrEnum
from typing import Any

from carteiro.registry.errors import SchemaRejected


class SubjectStrategy(StrEnum):
    """The rule for the name of a subject. Java's full class names are accepted too."""

    TOPIC = "TopicNameStrategy"
    """`TOPIC-value`."""
    RECORD = "RecordNameStrategy"
    """The full name of the record or message; the title of a JSON Schema."""
    TOPIC_RECORD = "TopicRecordNameStrategy"
    """`TOPIC-` and the full name."""

    @classmethod
    def _missing_(cls, value: Any) -> "SubjectStrategy | None":
        name = str(value).rpartition(".")[2]
        return next((each for each in cls if each.value == name), None)

    def subject(self, topic: str, record_name: str | None) -> str:
        """Return the subject of a value's schema. Raise `SchemaRejected` if it needs a name that is missing."""
        if self is SubjectStrategy.TOPIC:
            return f"{topic}-value"
        if not record_name:
            raise SchemaRejected(f"{self.value} needs a record's name, and the schema of the event has none")
        return record_name if self is SubjectStrategy.RECORD else f"{topic}-{record_name}"
