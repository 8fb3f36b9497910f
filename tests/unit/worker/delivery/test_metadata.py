"""Commit metadata that is not ours, or not whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.delivery.metadata import MetadataUnreadable, decode, encode
from carteiro.worker.delivery.suspects import Suspects


def test_no_metadata_is_an_offset_alone():
    ledger, suspects = decode(7, "")
    assert (ledger.low, ledger.end, list(ledger.still_open), suspects) == (7, 7, [], Suspects())


@given(st.text() | st.text().map(lambda text: "1" + text) | st.binary().map(lambda raw: "1" + raw.hex()))
def test_anything_else_is_read_or_turned_down(metadata):
    try:
        ledger, _ = decode(7, metadata)
    except MetadataUnreadable:
        return
    assert ledger.low >= 7
    assert list(ledger.still_open) == sorted(ledger.still_open)


@pytest.mark.parametrize("metadata", ["1AAAA", "2!!!!", "2gA==", "2AA=="])
def test_what_cannot_be_read_says_so(metadata):
    with pytest.raises(MetadataUnreadable):
        decode(0, metadata)


@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(10, 10_000), max_size=2).map(sorted),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(10, 10_000) | st.just(-1),
    st.integers(0, 5),
)
def test_suspects_come_back_as_they_were(owner, strikes, together, apart, alone, deaths):
    suspects = Suspects(owner, strikes, together, apart, alone, deaths)
    assert decode(*encode(Ledger(10_100, [10, 50]), suspects))[1] == suspects
