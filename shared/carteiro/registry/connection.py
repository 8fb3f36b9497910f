"""One registry for all enrichments and tasks of a worker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from carteiro.extras import needs
from carteiro.registry.format_choice import ReplyFormatChoice
from carteiro.registry.registered_schema import SCHEMA_TYPES, SchemaText, SchemaType
from carteiro.registry.settings import RegistrySettings, load_registry_settings
from carteiro.registry.subjects import SubjectStrategy
from carteiro.wire.event_format import EventFormat, Path
from carteiro.wire.record import Record

if TYPE_CHECKING:
    from carteiro.registry.client import RegistryClient
    from carteiro.registry.event_format import Schemas
    from carteiro.registry.task_format import TaskFormat


@dataclass(frozen=True, slots=True)
class RegisteredSubject:
    """A subject, and the type and the id of the schema that was registered under it."""

    subject: str
    type: SchemaType
    id: int


@dataclass(frozen=True, slots=True)
class Registry:
    """A registry, and the schemas that it gave."""

    client: "RegistryClient"
    schemas: "Schemas"
    strategy: SubjectStrategy
    reply_format: ReplyFormatChoice = ReplyFormatChoice.AUTO

    @property
    def pause_reason(self) -> str | None:
        """Reason to take in no more events; None if the registry answers."""
        return self.client.pause_reason

    def event_format(self, topic: str, members: Mapping[Path, Mapping[str, Any] | None]) -> EventFormat:
        """Return the format of events that go to `topic` with members.

        `members` are the JSON Schemas of what is written, by path; None if a value's schema is not known.
        """
        from carteiro.registry.event_format import RegistryFormat

        return RegistryFormat(self.client, self.schemas, self.strategy, topic, members)

    def task_format(
        self, topic: str, name: str, request: Mapping[str, Any], replies: Sequence[Mapping[str, Any]]
    ) -> "TaskFormat":
        """Return the formats of a task's requests and replies.

        The schema of a reply is registered for `topic`. `name` is its record's, such as `SummarizeReply`. `request` and
        `replies` are the JSON Schemas of a request, and of good replies, error replies and chunks.
        """
        from carteiro.registry.derived_schema import json_text_members, object_members
        from carteiro.registry.reply_format import ReplyFormat
        from carteiro.registry.task_format import TaskFormat

        members = object_members(*replies)
        formats = {kind: ReplyFormat(self.client, self.strategy, topic, kind, name, members) for kind in SCHEMA_TYPES}
        return TaskFormat(self.schemas, formats, self.reply_format, json_text_members(request))

    async def register(self, topic: str, record_name: str | None, schema: SchemaText) -> RegisteredSubject:
        """Register a schema of a topic's values, unless it is registered.

        Raise `SchemaRejected` or `RegistryUnavailable`.
        """
        subject = self.strategy.subject(topic, record_name)
        return RegisteredSubject(subject, schema.type, (await self.client.register(subject, schema)).schema_id)

    async def read_request(self, record: Record) -> bytes | None:
        """Return the value of a request's record as JSON. Raise `EventUnreadable` or `RegistryUnavailable`."""
        from carteiro.registry.task_format import read_request

        return (await read_request(record, self.schemas)).value

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


async def read_as_json(record: Record, registry: Registry | None) -> bytes | None:
    """Return the record's value as JSON; as it is if there is no registry or no schema id before it.

    Raise `EventUnreadable` or `RegistryUnavailable`.
    """
    return record.value if registry is None or record.value is None else await registry.read_request(record)


def open_configured_registry() -> Registry | None:
    """Return the registry that the environment names; None if it names none.

    Raise `RegistrySettingsInvalid`, and `ExtraMissing` if a library is not installed.
    """
    settings = load_registry_settings()
    return open_registry(settings) if settings.url else None


def open_registry(settings: RegistrySettings) -> Registry:
    """Return the registry of the settings. It is not asked yet. Raise `ExtraMissing` if a library is not installed."""
    needs("CARTEIRO_SCHEMA_REGISTRY_URL", "registry", "confluent_kafka", "authlib", "fastavro", "google.protobuf")
    from carteiro.registry.client import RegistryClient
    from carteiro.registry.event_format import Schemas

    client = RegistryClient(settings)
    return Registry(client, Schemas(client), settings.subject_name_strategy, settings.reply_format)
