"""What a call of the client can raise."""

from carteiro.schemas import ErrorDetail, ErrorReply, FieldError


class CarteiroError(Exception):
    """Any failure of a call."""


class KafkaUnavailable(CarteiroError):
    """Kafka cannot be reached, or does not take the request."""


class ReplyTimeout(CarteiroError):
    """No reply came in time. A worker may still answer; with a deadline in the request it does not begin to."""


class ReplyError(CarteiroError):
    """The reply is an error. `code` and `retryable` are for programs, the message is for people."""

    def __init__(self, reply: ErrorReply) -> None:
        super().__init__(f"{reply.error.code}: {reply.error.message}")
        self.reply = reply

    @property
    def error(self) -> ErrorDetail:
        """All that the reply says of the error."""
        return self.reply.error

    @property
    def code(self) -> str:
        """One of `carteiro.schemas.ERROR_CODES`."""
        return self.error.code

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.error.retryable

    @property
    def fields(self) -> list[FieldError]:
        """Which fields of the request are wrong, and why."""
        return self.error.fields
