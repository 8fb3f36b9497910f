"""The calls of the clients."""

import inspect

import pytest

from carteiro.client import request_builder, task_requests
from carteiro.client.calls import BlockingCalls, CoroutineCalls, IteratorCalls, StreamingCalls
from carteiro.schemas import REQUESTS


@pytest.mark.parametrize("name", ["ask", *REQUESTS])
def test_every_task_has_a_call_in_each_form_with_the_same_arguments(name: str) -> None:
    builder = getattr(request_builder if name == "ask" else task_requests, name)
    for form in (CoroutineCalls, StreamingCalls, BlockingCalls, IteratorCalls):
        call = getattr(form, name)
        assert inspect.signature(call) == inspect.signature(builder)
        assert call.__doc__ == builder.__doc__
