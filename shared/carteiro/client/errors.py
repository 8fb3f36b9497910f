"""Exceptions that the calls of the client raise."""

from collections.abc import Sequence

from carteiro.schemas import ErrorDetail, ErrorReply, FieldError
from carteiro.schemas.field_errors import explain


class CarteiroError(Exception):
    """Any failure of a call."""


class KafkaUnavailable(CarteiroError):
    """Kafka cannot be reached, or does not accept the request."""


class ReplyTimeout(CarteiroError):
    """No reply came in time. A worker may still answer later, but it does not start a request whose deadline has
    passed.
    """


class ReplyError(CarteiroError):
    """The reply is an error. `code` and `retryable` are for programs, the message is for people."""

    def __init__(self, reply: ErrorReply) -> None:
        super().__init__(f"{reply.error.code}: {reply.error.message}")
        self.reply = reply

    @property
    def error(self) -> ErrorDetail:
        """Error detail of the reply."""
        return self.reply.error

    @property
    def code(self) -> str:
        """One of `carteiro.schemas.ERROR_CODES`."""
        return self.error.code

    @property
    def retryable(self) -> bool:
        """True if the same request may succeed later."""
        return self.error.retryable

    @property
    def fields(self) -> list[FieldError]:
        """Fields of the request that are wrong, and the reason for each."""
        return self.error.fields


class BucketUnavailable(CarteiroError):
    """A text cannot be uploaded to the client's bucket, or a result cannot be read from the service's."""


class RequestInvalid(CarteiroError, ValueError):
    """The request is invalid, so it was not sent. `fields` holds the wrong fields and the reason for each."""

    def __init__(self, fields: Sequence[FieldError]) -> None:
        super().__init__(explain(fields))
        self.fields = list(fields)


class TopicMissing(KafkaUnavailable):
    """A topic of the task does not exist."""
