import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.worker.delivery.ledger import Ledger
from carteiro.worker.waiting.gathering import line_id
from carteiro.worker.waiting.open_batch import (
    LEDGER,
    OFFICE,
    OpenBatch,
    batches_of,
    decode_batch,
    decode_ledger,
    encode_ledger,
)

BATCH = OpenBatch("office-1", "openai:gpt-4.1-mini", "file-1", ["1-a-0", "2-b-0"], 1700000000.5, "batch-1")


def test_a_batch_is_read_as_it_was_written() -> None:
    assert decode_batch(BATCH.encode()) == BATCH
    assert batches_of({b"office-1": BATCH.encode(), LEDGER: b"x", OFFICE: b"y"}) == [BATCH]


def test_a_batch_of_the_largest_size_fits_a_record() -> None:
    lines = [line_id(10**9 + 7 * number, {"prompt": number}, 0) for number in range(50_000)]
    assert len(OpenBatch("n", "m", "f", lines, 0.0).encode()) < 1_000_000


def test_what_a_later_version_wrote_is_not_guessed_at() -> None:
    later = json.loads(BATCH.encode()) | {"v": 2}
    with pytest.raises(ValueError, match="later version"):
        decode_batch(json.dumps(later).encode())


@given(st.sets(st.integers(0, 2**40), max_size=200), st.integers(0, 10))
def test_a_ledger_is_read_as_it_was_written(still_open: set[int], beyond: int) -> None:
    ledger = Ledger(max(still_open, default=-1) + 1 + beyond, sorted(still_open))
    read = decode_ledger(encode_ledger(ledger))
    assert (read.end, list(read.still_open)) == (ledger.end, sorted(still_open))


def test_where_nothing_was_kept_nothing_is_finished() -> None:
    assert decode_ledger(None).end == 0
