"""Exceptions of the client."""

from carteiro.client.errors import CarteiroError, KafkaUnavailable, ReplyError, RequestInvalid, TopicMissing
from carteiro.schemas import ErrorDetail, ErrorReply, FieldError

FIELDS = [FieldError(field="text", reason="is missing"), FieldError(field="seed", reason="must be a number")]


def test_error_reply_has_its_code_and_fields() -> None:
    detail = ErrorDetail(code="invalid_request", message="it is wrong", retryable=False, fields=FIELDS)
    error = ReplyError(ErrorReply(task="chat", request_id="t/0/0", error=detail))
    assert (error.code, error.retryable, error.fields, error.error) == ("invalid_request", False, FIELDS, detail)
    assert str(error) == "invalid_request: it is wrong"


def test_invalid_request_names_every_field() -> None:
    error = RequestInvalid(FIELDS)
    assert str(error) == "text: is missing; seed: must be a number"
    assert error.fields == FIELDS


def test_every_failure_of_a_call_is_a_carteiro_error() -> None:
    assert issubclass(TopicMissing, KafkaUnavailable)
    assert all(issubclass(kind, CarteiroError) for kind in (KafkaUnavailable, ReplyError, RequestInvalid))
