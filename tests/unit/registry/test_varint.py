import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.registry.varint import write_varint


@given(st.integers(-(2**63), 2**63 - 1))
def test_encoding_is_that_of_fastavro(number: int) -> None:
    written = io.BytesIO()
    fastavro.schemaless_writer(written, {"type": "long"}, number)
    assert write_varint(number) == written.getvalue()


@pytest.mark.parametrize(("number", "encoded"), [(0, b"\x00"), (1, b"\x02"), (-1, b"\x01"), (64, b"\x80\x01")])
def test_known_numbers_are_encoded_as_specified(number: int, encoded: bytes) -> None:
    assert write_varint(number) == encoded
