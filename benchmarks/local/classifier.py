"""A classifier of DistilBERT's size with random weights: its speed does not depend on training."""

from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import BertProcessing
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

from benchmarks.local.workload import texts


def make_classifier(directory: Path) -> Path:
    """Write the classifier to a directory, and return the directory."""
    words = sorted({word for item in texts(50) for word in item.text.replace(",", " , ").replace(".", " . ").split()})
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    backend = Tokenizer(WordPiece({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    backend.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(directory)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=30522, num_hidden_layers=6, pad_token_id=0)
    config.id2label = {0: "negative", 1: "positive"}
    config.label2id = {"negative": 0, "positive": 1}
    BertForSequenceClassification(config).save_pretrained(directory)
    return directory
