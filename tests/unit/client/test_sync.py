"""The client without an event loop."""

import threading

import pytest

from carteiro.client import Carteiro, KafkaUnavailable, SyncCarteiro
from carteiro.client.errors import CarteiroError


def test_unknown_option_of_the_client_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="did you mean 'topic_prefix'"):
        SyncCarteiro("localhost:9092", topic_prefx="llm")


def test_calls_outside_of_with_are_an_error() -> None:
    client = SyncCarteiro("localhost:9092")
    with pytest.raises(CarteiroError, match="use it in `with`"):
        client.summarize("x")
    with pytest.raises(CarteiroError, match="use it in `with`"):
        next(client.stream.summarize("x"))


def test_failed_start_leaves_no_thread() -> None:
    with pytest.raises(KafkaUnavailable), SyncCarteiro("127.0.0.1:9"):
        pass
    assert "carteiro" not in {thread.name for thread in threading.enumerate()}


def test_every_call_of_the_asynchronous_client_is_here() -> None:
    calls = {name for name, value in vars(Carteiro.__mro__[1]).items() if callable(value) and not name.startswith("_")}
    assert calls
    assert calls <= set(dir(SyncCarteiro)) & set(dir(type(SyncCarteiro("localhost:9092").stream)))
