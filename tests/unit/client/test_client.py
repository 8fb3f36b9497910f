"""The asynchronous client."""

import inspect

import pytest

from carteiro.client import Carteiro
from carteiro.client.errors import CarteiroError
from carteiro.schemas import REQUESTS


@pytest.mark.parametrize("name", ["ask", *REQUESTS])
def test_call_is_a_coroutine_function(name: str) -> None:
    assert inspect.iscoroutinefunction(getattr(Carteiro, name))


def test_unknown_option_of_the_client_names_the_nearest() -> None:
    with pytest.raises(TypeError, match="did you mean 'security_protocol'"):
        Carteiro("localhost:9092", security_protocoll="SSL")


async def test_call_before_the_start_is_an_error() -> None:
    with pytest.raises(CarteiroError, match="the client is not started"):
        await Carteiro("localhost:9092").summarize("x")
