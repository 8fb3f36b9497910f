"""Client of the registry: fetches schemas with their references, and registers schemas.

It wraps Confluent's asyncio client: deadlines, limits, and errors that say who is at fault.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from confluent_kafka.schema_registry import AsyncSchemaRegistryClient, Schema, SchemaReference, SchemaRegistryError

from carteiro.registry.errors import (
    AnswerUnusable,
    RegistryUnavailable,
    SchemaFailing,
    SchemaRejected,
    SchemaUnknown,
    SchemaUnusable,
)
from carteiro.registry.framing import MAX_SCHEMA_ID, SchemaId
from carteiro.registry.registered_schema import FetchedSchema, Reference, Registered, SchemaText
from carteiro.registry.settings import RegistrySettings

T = TypeVar("T")

MAX_SCHEMA_CHARACTERS = 1024 * 1024
"""Maximum size of a schema together with its references."""
MAX_REFERENCES = 200
"""Maximum number of schemas that a schema refers to, directly or not."""
_MAX_REFERENCE_DEPTH = 30
_PAUSE_SECONDS = 60.0
"""Time after a failure for which the intake pauses: longer than the pause between two tries of an event."""
_MIN_TRIES, _PATIENCE_SECONDS = 4, 60.0
"""Number of tries and time after which a schema is given up that a registry does not give, although it answers."""
_MAX_FAILING = 500
"""Maximum number of schemas whose tries are counted."""
_OF_EVERY_CALL = (401, 408, 429)
"""Statuses between 400 and 499 that do not depend on the schema."""
_MAX_OWN_SUBJECTS = 500
"""Maximum number of subjects that are remembered."""
_ADDRESS = "CARTEIRO_SCHEMA_REGISTRY_URL"
"""The setting, and not its value, which may have a password."""
_NOT_FOUND = (40401, 40402, 40403)
"""Error codes: no such subject, version, schema."""


class RegistryClient:
    """Connection to the registry. It keeps no schemas."""

    def __init__(self, settings: RegistrySettings, clock: Callable[[], float] = time.monotonic) -> None:
        # One try for each call: the caller pauses and tries again.
        self._client = AsyncSchemaRegistryClient(settings.client_configuration() | {"max.retries": 0})
        self._timeout, self._clock = settings.timeout_seconds, clock
        self._failure: tuple[str, float] | None = None
        self._has_given = False
        """True if the registry has given a schema, so this worker may read in it."""
        self._own_subjects: set[str] = set()
        """Subjects under which this worker may register."""
        self._failing: dict[SchemaId, tuple[int, float]] = {}
        """Number of failed tries of a schema, and the time of the first."""

    @property
    def pause_reason(self) -> str | None:
        """Reason to take in no more events; None if the registry answers.

        It ends by itself after a time without a call: it must not keep the call away that would find the registry back.
        """
        if self._failure is None or self._clock() >= self._failure[1] + _PAUSE_SECONDS:
            return None
        return self._failure[0]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """Raise `RegistryUnavailable` if the registry does not answer a question that any registry can answer."""
        try:
            await self._call(self._client.get_subjects())
        except SchemaRegistryError as error:
            if error.http_status_code != 403:
                raise _unavailable(error) from None

    async def fetch(self, schema_id: SchemaId) -> FetchedSchema:
        """Return the schema of an id with all its references.

        Raise `SchemaUnknown`, `SchemaUnusable` or `RegistryUnavailable`.
        """
        return await self._watch(self._fetch_or_give_up(schema_id))

    async def register(self, subject: str, schema: SchemaText) -> Registered:
        """Register a schema, or find it if the subject has it already. Return its ids.

        Raise `SchemaRejected` or `RegistryUnavailable`.
        """
        return await self._watch(self._register(subject, schema))

    async def _watch(self, work: Awaitable[T]) -> T:
        """Return the result, and note if the registry is unavailable."""
        try:
            result = await work
        except (SchemaUnknown, SchemaUnusable, SchemaRejected, SchemaFailing):
            self._failure = None
            raise
        except RegistryUnavailable as error:
            self._failure = (str(error), self._clock())
            raise
        self._failure = None
        return result

    async def _fetch_or_give_up(self, schema_id: SchemaId) -> FetchedSchema:
        """Return a schema. Raise `SchemaFailing` or `SchemaUnusable` if the registry answers, but not with it.

        So one schema does not pause the intake: its events wait for a while, and then they are unreadable.
        """
        try:
            fetched = await self._fetch(schema_id)
        except AnswerUnusable as error:
            if not await self._answers():
                raise
            tries, began = self._failing.pop(schema_id, (0, self._clock()))
            self._failing[schema_id] = tries + 1, began
            if len(self._failing) > _MAX_FAILING:
                del self._failing[next(iter(self._failing))]
            if tries < _MIN_TRIES or self._clock() < began + _PATIENCE_SECONDS:
                raise SchemaFailing(str(error)) from None
            # The reason is in the log since the first try. Its words are the registry's, and not for a reply.
            raise SchemaUnusable(f"the registry answers, but not with the schema of id {schema_id}") from None
        self._failing.pop(schema_id, None)
        self._has_given = True
        return fetched

    async def _answers(self) -> bool:
        """Return True if the registry answers this worker, so that a failure is that of one schema."""
        try:
            await self._call(self._client.get_subjects())
        except SchemaRegistryError as error:
            return error.http_status_code == 403 and self._has_given
        except RegistryUnavailable:
            return False
        return True

    async def _fetch(self, schema_id: SchemaId) -> FetchedSchema:
        try:
            schema = await self._get(schema_id, None)
            if schema.schema_type == "PROTOBUF":
                schema = await self._get(schema_id, "serialized")
        except SchemaRegistryError as error:
            # An older registry knows no GUIDs and answers 404 without an error code of its own.
            if error.error_code in _NOT_FOUND or (isinstance(schema_id, UUID) and error.http_status_code == 404):
                raise SchemaUnknown(f"the registry has no schema of id {schema_id}") from None
            raise _unavailable(error) from None
        root = _schema_text(schema)
        referenced: dict[str, SchemaText] = {}
        await self._fetch_references(root, referenced, 0)
        fetched = FetchedSchema(root, tuple(referenced.items()))
        if fetched.characters > MAX_SCHEMA_CHARACTERS:
            raise SchemaUnusable(f"the schema has more than {MAX_SCHEMA_CHARACTERS:,} characters")
        return fetched

    async def _register(self, subject: str, schema: SchemaText) -> Registered:
        references = [SchemaReference(each.name, each.subject, each.version) for each in schema.references]
        try:
            registered = await self._call(
                self._client.register_schema_full_response(subject, Schema(schema.text, schema.type, references))
            )
        except SchemaRegistryError as error:
            if error.http_status_code in (409, 422):
                reason = str(error.error_message)[:500]
                raise SchemaRejected(f"the registry refuses the schema for subject {subject}: {reason}") from None
            if error.http_status_code == 403 and self._own_subjects - {subject}:
                # An event's schema may choose the subject, by the name of its record.
                raise SchemaRejected(f"the registry denies this service the subject {subject}") from None
            raise _unavailable(error) from None
        if type(registered.schema_id) is not int or not 0 <= registered.schema_id <= MAX_SCHEMA_ID:
            raise RegistryUnavailable("the registry gives no id for a schema")
        if len(self._own_subjects) < _MAX_OWN_SUBJECTS:
            self._own_subjects.add(subject)
        return Registered(registered.schema_id, _guid(registered.guid))

    async def _get(self, schema_id: SchemaId, fmt: str | None) -> Schema:
        if isinstance(schema_id, UUID):
            return await self._call(self._client.get_schema_by_guid(str(schema_id), fmt))
        return await self._call(self._client.get_schema(schema_id, fmt=fmt))

    async def _fetch_references(self, schema: SchemaText, found: dict[str, SchemaText], depth: int) -> None:
        if depth > _MAX_REFERENCE_DEPTH:
            raise SchemaUnusable(f"the schema's references are nested more than {_MAX_REFERENCE_DEPTH} deep")
        for reference in schema.references:
            if reference.name in found:
                continue
            if len(found) >= MAX_REFERENCES:
                raise SchemaUnusable(f"the schema has more than {MAX_REFERENCES} references")
            fmt = "serialized" if schema.type == "PROTOBUF" else None
            version = self._client.get_version(reference.subject, reference.version, True, fmt)
            try:
                text = _schema_text((await self._call(version)).schema)
            except SchemaRegistryError as error:
                if error.error_code in _NOT_FOUND:
                    raise SchemaUnusable(f"the registry has no schema {reference.name}, which is referred to") from None
                raise _unavailable(error) from None
            await self._fetch_references(text, found, depth + 1)
            found.setdefault(reference.name, text)

    async def _call(self, call: Awaitable[T]) -> T:
        """Return the answer of the registry. Raise `SchemaRegistryError` if it answers with an error."""
        try:
            async with asyncio.timeout(self._timeout):
                return await call
        except SchemaRegistryError:
            raise
        except TimeoutError:
            reason = f"does not answer within {self._timeout:g} s"
            raise RegistryUnavailable(f"the registry at {_ADDRESS} {reason}") from None
        except Exception as error:  # noqa: BLE001  # the client raises what its parts raise: of HTTP, OAuth, JSON
            reason = f"cannot be asked: {type(error).__name__}: {str(error)[:500]}"
            raise AnswerUnusable(f"the registry at {_ADDRESS} {reason}") from None
        finally:
            # The client's own cache has no limit, and it does not tell the formats of a schema apart.
            await self._client.clear_caches()  # type: ignore[no-untyped-call]


def _schema_text(schema: Schema) -> SchemaText:
    kind, references = schema.schema_type, schema.references or []
    if kind not in ("AVRO", "PROTOBUF", "JSON") or not isinstance(schema.schema_str, str):
        raise SchemaUnusable(f"a schema is of type {str(kind)[:100]}; AVRO, PROTOBUF and JSON can be read")
    if len(schema.schema_str) > MAX_SCHEMA_CHARACTERS:
        raise SchemaUnusable(f"the schema has more than {MAX_SCHEMA_CHARACTERS:,} characters")
    try:
        named = [Reference(str(each.name), str(each.subject), int(each.version or -1)) for each in references]
    except (TypeError, ValueError):
        raise SchemaUnusable("a reference of the schema has no version") from None
    return SchemaText(kind, schema.schema_str, tuple(named))  # type: ignore[arg-type]


def _guid(text: Any) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None


def _unavailable(error: SchemaRegistryError) -> RegistryUnavailable:
    status = error.http_status_code
    # Any event may name an id that this worker is denied, or that the registry does not understand.
    is_of_one_call = status == 500 or (400 <= status < 500 and status not in _OF_EVERY_CALL)
    kind = AnswerUnusable if is_of_one_call else RegistryUnavailable
    return kind(f"the registry answers {error.http_status_code}: {str(error.error_message)[:500]}")
