"""Types of a schema's fields."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from carteiro.schemas.field_types import plain_type


@pytest.mark.parametrize(
    ("annotation", "plain"),
    [
        (str, str),
        (Annotated[str, Field(min_length=1)], str),
        (Annotated[str, Field(min_length=1)] | None, str),
        (Literal["a", "b"] | None, Literal["a", "b"]),
        (Annotated[dict[str, Any] | None, Field()], dict[str, Any]),
    ],
)
def test_constraints_and_none_are_left_out(annotation: Any, plain: Any) -> None:
    assert plain_type(annotation) == plain
