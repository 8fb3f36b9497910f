"""The rule for the root of callers' JSON Schemas."""

import pytest

from carteiro.schemas.object_root import check_object_root


@pytest.mark.parametrize("schema", [None, {"type": "object"}])
def test_object_or_no_schema_is_returned(schema) -> None:
    assert check_object_root(schema) == schema


@pytest.mark.parametrize("schema", [{}, {"type": "string"}, {"type": ["object"]}])
def test_schema_of_anything_else_is_an_error(schema) -> None:
    with pytest.raises(ValueError, match="must describe an object"):
        check_object_root(schema)
