import json
import zlib
from base64 import b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.ledger.ledger import Ledger
from carteiro.worker.batch_api.item import item_id
from carteiro.worker.batch_api.stage import TRANSITIONS, BatchStage
from carteiro.worker.batch_api.state import (
    LEDGER_KEY,
    NAME_PREFIX_KEY,
    BatchState,
    decode_batch,
    decode_batches,
    decode_ledger,
    decode_name_prefix,
    encode_ledger,
)

BATCH = BatchState(
    "office-1",
    "openai:gpt-4.1-mini",
    "file-1",
    (f"1-{0:016x}-0", f"2-{1:016x}-0"),
    1700000000.5,
    "batch-1",
    BatchStage.RUNNING,
)


def test_batch_state_survives_a_round_trip() -> None:
    assert decode_batch(BATCH.encode()) == BATCH
    assert decode_batches({b"office-1": BATCH.encode(), LEDGER_KEY: b"x", NAME_PREFIX_KEY: b"y"}) == [BATCH]


@pytest.mark.parametrize("stage", BatchStage)
def test_stage_survives_a_round_trip(stage: BatchStage) -> None:
    batch = replace(BATCH, stage=stage)
    assert decode_batch(batch.encode()) == batch


@pytest.mark.parametrize("stage", BatchStage)
@pytest.mark.parametrize("following", BatchStage)
def test_state_advances_only_along_the_table(stage: BatchStage, following: BatchStage) -> None:
    batch = replace(BATCH, stage=stage)
    if following in TRANSITIONS[stage]:
        assert batch.advance(following, file="file-2") == replace(batch, stage=following, file="file-2")
    else:
        with pytest.raises(ValueError, match=following.name):
            batch.advance(following)


def test_unknown_stage_is_not_interpreted() -> None:
    assert decode_batch(BATCH.encode().replace(b"running", b"dormant")) is None


def test_batch_of_the_largest_size_fits_a_record() -> None:
    lines = tuple(item_id(10**9 + 7 * number, {"prompt": number}, 0) for number in range(50_000))
    assert len(BatchState("n", "m", "f", lines, 0.0).encode()) < 1_000_000


def test_state_of_a_later_version_is_not_interpreted() -> None:
    later = json.loads(BATCH.encode()) | {"v": 2}
    with pytest.raises(ValueError, match="later version"):
        decode_batch(json.dumps(later).encode())


@given(st.sets(st.integers(0, 2**40), max_size=200), st.integers(0, 10))
def test_ledger_survives_a_round_trip(still_open: set[int], beyond: int) -> None:
    ledger = Ledger(max(still_open, default=-1) + 1 + beyond, sorted(still_open))
    read = decode_ledger(encode_ledger(ledger))
    assert (read.next_unseen, list(read.unfinished)) == (ledger.next_unseen, sorted(still_open))


def test_missing_ledger_means_no_finished_requests() -> None:
    assert decode_ledger(None).next_unseen == 0


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not JSON",
        b'{"status": "ok", "task": "generate"}',
        b"[]",
        b'{"v": 1}',
        b'{"v": 1, "name": 5, "model": "m", "file": "f", "id": null, "stage": "ended", "made_at": 1.0, "lines": "x"}',
        b'{"v": 1, "name": "n", "model": "m", "file": "f", "id": null, "stage": "ended", "made_at": 1.0, "lines": ""}',
        b'{"v": 1, "name": "n", "model": "m", "file": "f", "id": null, "made_at": 1.0, "lines": "eJwzBABkMzIKAQ=="}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_foreign_record_is_skipped(value: bytes) -> None:
    records = {b"n": value, b"ledger": value, b"name_prefix": value}
    assert decode_batches(records) == []
    assert decode_ledger(value).next_unseen == 0
    assert decode_name_prefix(records) is None


def test_items_that_unpack_without_end_are_rejected() -> None:
    bomb = b64encode(zlib.compress(b"0" * (80 * 2**20))).decode()
    value = {"v": 1, "name": "n", "model": "m", "file": "f", "id": None, "stage": "running", "made_at": 1.0}
    value |= {"lines": bomb}
    assert decode_batches({b"n": json.dumps(value).encode()}) == []
