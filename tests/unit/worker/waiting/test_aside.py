from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from carteiro.schemas import ChatRequest, Request, SummarizeRequest
from carteiro.worker.asking.chain import Chain, Link
from carteiro.worker.waiting.aside import Aside
from tests.unit.worker.waiting.post import Post, PostModel, Steps

ASIDE = Aside(least=timedelta(hours=1), far=timedelta(hours=12))
BATCHED = Chain([Link(PostModel(Post(Steps())))])  # type: ignore[arg-type]


def summarize(**options: Any) -> Request[Any]:
    return SummarizeRequest.model_validate({"text": "Rain.", "options": options})


def takes(request: Request[Any], hours: float | None, chain: Chain = BATCHED, aside: Aside = ASIDE) -> bool:
    deadline = None if hours is None else datetime.now(UTC) + timedelta(hours=hours, seconds=5)
    return aside.takes(request, deadline, chain)


def test_a_request_that_can_wait_is_set_aside() -> None:
    assert takes(summarize(wait="24h"), 24)


def test_one_that_does_not_say_so_is_not() -> None:
    assert not takes(summarize(), None)
    assert not takes(summarize(), 11)


def test_one_whose_deadline_is_far_away_is() -> None:
    assert takes(summarize(), 12)
    assert not takes(summarize(), 12, aside=Aside(least=timedelta(hours=1)))


@pytest.mark.parametrize("wait", ["30m", "59m"])
def test_one_that_cannot_wait_for_long_enough_is_not(wait: str) -> None:
    assert not takes(summarize(wait=wait), 0.9)


def test_a_model_without_batches_answers_at_once() -> None:
    model = PostModel(Post(Steps()))
    model.batches = None  # type: ignore[assignment]
    assert not takes(summarize(wait="24h"), 24, Chain([Link(model)]))  # type: ignore[arg-type]
    assert not takes(summarize(wait="24h"), 24, Chain([Link(object())]))  # type: ignore[arg-type]


def test_somebody_looks_at_a_stream_and_a_conversation_has_its_turn() -> None:
    assert not takes(summarize(stream=True), 24)
    turn = {"messages": [{"role": "user", "content": "Hi"}], "conversation_id": "c", "options": {"wait": "24h"}}
    assert not takes(ChatRequest.model_validate(turn), 24)
