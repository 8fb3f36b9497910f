"""Failures of the registry and of its schemas."""

from carteiro.wire.event_format import EventUnreadable, MemberRefused


class RegistryUnavailable(Exception):
    """The registry does not answer, or it rejects the worker and not the schema. A later try may succeed."""


class AnswerUnusable(RegistryUnavailable):
    """The registry fails on one call, or its answer cannot be read. The fault may be that of one schema."""


class SchemaFailing(RegistryUnavailable):
    """The registry answers, but not with this schema. A later try may succeed."""


class SchemaUnknown(EventUnreadable):
    """The registry has no schema of the event's id."""


class SchemaUnusable(EventUnreadable):
    """The event's schema cannot be read, or it is above a limit."""


class SchemaRejected(MemberRefused):
    """The registry refuses the schema of the enriched events, for example because it is not compatible."""
