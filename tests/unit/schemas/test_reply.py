"""Replies."""

import json

import pytest

from carteiro.schemas import ERROR_CODES, ErrorReply, Result, Usage, reply_type
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.reply import ErrorCode


def test_reply_of_a_newer_worker_is_read():
    reply = {
        "status": "ok",
        "task": "chat",
        "request_id": "t/0/1",
        "result": {"message": {"role": "assistant", "content": "x", "mood": "good"}},
        "model": "m",
        "usage": {"input_tokens": 1, "output_tokens": 1, "cached_tokens": 3},
        "timing": {"queue_ms": 1, "work_ms": 2},
        "news": True,
    }
    assert reply_type(ChatRequest.result).validate_python(reply).result.message.content == "x"


def test_every_error_code_is_explained():
    assert set(ErrorCode.__args__) == set(ERROR_CODES)


def test_code_of_a_newer_worker_is_read():
    error = {"code": "new", "message": "x", "retryable": False}
    assert ErrorReply.model_validate({"task": "x", "request_id": "x", "error": error}).error.code == "new"


def test_result_is_shown_as_json_unless_it_says_otherwise() -> None:
    class Plain(Result):
        text: str

    assert json.loads(Plain(text="x").render()) == {"text": "x"}


def test_usage_of_two_calls_is_added_up() -> None:
    paid, free = Usage(input_tokens=2, output_tokens=1, cost_usd=0.5), Usage(input_tokens=1, service_tier="batch")
    assert paid + free == Usage(input_tokens=3, output_tokens=1, cost_usd=0.5)
    assert Usage() + free == free


@pytest.mark.parametrize(
    ("cost", "shown"), [(0.00013500000000000003, "0.000135"), (0.1 + 0.2, "0.3"), (2.5e-8, "2.5e-8")]
)
def test_cost_has_no_noise_of_binary_fractions(cost: float, shown: str) -> None:
    assert f'"cost_usd":{shown},' in Usage(cost_usd=cost).model_dump_json()
    assert '"cost_usd":null' in Usage().model_dump_json()
