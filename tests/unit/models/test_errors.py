"""Errors of model calls: their codes, and the usage that they carry."""

import asyncio
from typing import get_args

import pytest

from carteiro.models import errors
from carteiro.models.errors import (
    InvalidOutput,
    ModelError,
    QuotaExhausted,
    RateLimited,
    TierUnavailable,
    Unavailable,
    attach_usage,
    attached_usage,
)
from carteiro.schemas import ErrorCode, Usage

KINDS = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ModelError)]


@pytest.mark.parametrize("kind", KINDS)
def test_error_has_a_code_for_the_caller_and_its_message(kind: type[ModelError]) -> None:
    error = kind("it failed")
    assert error.code in get_args(ErrorCode)
    assert error.message == str(error) == "it failed"


def test_only_errors_that_may_pass_are_retryable() -> None:
    assert {kind for kind in KINDS if kind.retryable} == {RateLimited, TierUnavailable, Unavailable}


def test_exhausted_quota_is_a_rate_limit_that_waiting_does_not_help() -> None:
    error = QuotaExhausted("used up", 7.0, {"x": "1"})
    assert isinstance(error, RateLimited)
    assert (error.retryable, error.retry_after, error.headers) == (False, 7.0, {"x": "1"})


@pytest.mark.parametrize("error", [Unavailable("down"), asyncio.CancelledError()])
def test_usage_is_attached_to_any_error(error: BaseException) -> None:
    assert attached_usage(error) is None
    attach_usage(error, Usage(input_tokens=3))
    for nothing in (None, Usage()):
        attach_usage(error, nothing)
    assert attached_usage(error) == Usage(input_tokens=3)


def test_detail_for_the_model_is_not_in_the_message() -> None:
    error = InvalidOutput("not JSON", "it was: secret")
    assert "secret" not in str(error)
    assert error.detail == "it was: secret"
