"""The error replies of a worker."""

import pytest

from carteiro.models.errors import Unavailable
from carteiro.schemas import FieldError, Usage
from carteiro.wire.envelope import read_envelope
from carteiro.worker.handling import error_replies as errors
from tests.unit.worker.handling.outcomes import RECORD, USAGE

ENVELOPE = read_envelope(RECORD)


@pytest.mark.parametrize(("usage", "expected"), [(USAGE, USAGE), (Usage(), None), (None, None)])
def test_usage_is_given_only_if_something_was_paid(usage: Usage | None, expected: Usage | None) -> None:
    assert errors.too_large("generate", ENVELOPE, 7, usage).usage == expected


def test_long_message_of_a_model_is_cut() -> None:
    detail = errors.model_error_detail(Unavailable("x" * 5000))
    assert (detail.code, detail.retryable, len(detail.message)) == ("model_unavailable", True, 1000)


def test_reply_to_a_failed_service_names_the_request_in_the_log() -> None:
    reply = errors.internal_error("generate", ENVELOPE.request_id)
    assert (reply.error.code, reply.error.retryable) == ("internal", True)
    assert ENVELOPE.request_id in reply.error.message


def test_reply_to_a_poison_request_says_not_to_try_again() -> None:
    reply = errors.worker_crashed("generate", ENVELOPE.request_id, 3)
    assert (reply.error.code, reply.error.retryable) == ("internal", False)
    assert "ended 3 times" in reply.error.message


def test_undeliverable_reply_names_the_wrong_field() -> None:
    problem = FieldError(field="reply topic", reason="'inbox' has no partition 9")
    reply = errors.undeliverable("generate", ENVELOPE, problem, None)
    assert reply.error.code == "invalid_request"
    assert reply.error.fields == [problem]


@pytest.mark.parametrize(("too_large", "code"), [(True, "too_large"), (False, "unsupported")])
def test_conversation_that_is_not_stored_has_the_usage_of_the_reply(too_large: bool, code: str) -> None:
    reply = errors.conversation_not_stored("generate", ENVELOPE, USAGE, too_large=too_large)
    assert (reply.error.code, reply.usage) == (code, USAGE)
