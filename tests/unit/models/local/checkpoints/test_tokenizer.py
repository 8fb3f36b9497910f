"""Tokenizers of Transformers, without truncation and padding."""

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import PreTrainedTokenizerFast

from carteiro.models.local.checkpoints.tokenizer import load_tokenizer, token_counter


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Directory of a tokenizer that was saved with truncation and padding."""
    tokenizer = Tokenizer(WordLevel({"<unk>": 0, "cat": 1, "<pad>": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=8, pad_id=2, pad_token="<pad>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    return tmp_path


@pytest.mark.parametrize("words", [1, 6, 20])
def test_text_is_neither_cut_nor_padded(directory: Path, words: int) -> None:
    tokenizer = load_tokenizer(str(directory))
    assert tokenizer("cat " * words)["input_ids"] == [1] * words
    assert token_counter(tokenizer)("cat " * words) == words


def test_counter_works_on_a_copy(directory: Path) -> None:
    tokenizer = load_tokenizer(str(directory))
    count = token_counter(tokenizer)
    tokenizer.backend_tokenizer.enable_truncation(2)
    assert count("cat cat cat") == 3
