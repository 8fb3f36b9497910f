"""Batches of encoded texts."""

import torch

from carteiro.models.local.transformers.encoding import pad_batch
from tests.unit.models.local import toy_tokenizers


def test_rows_are_padded_to_the_longest() -> None:
    tokenizer = toy_tokenizers.bert(["the cat sleeps ."])
    rows = [dict(tokenizer(text)) for text in ("the cat", "the cat sleeps .")]
    batch = pad_batch(tokenizer, rows, torch.device("cpu"))
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 6)
    assert batch["attention_mask"].sum(1).tolist() == [4, 6]
    assert batch["input_ids"][0, 4:].tolist() == [tokenizer.pad_token_id] * 2
    assert batch["input_ids"][1].tolist() == rows[1]["input_ids"]
