"""A tiny BERT with a sequence classification head and random weights, which scores pairs of texts."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

from carteiro.models.local.checkpoints.checkpoint import PACKAGED_EMBEDDER, find_checkpoint


def save_tiny_bert(folder: Path, **labels: Any) -> Path:
    """Save the model with these labels, and with the packaged embedder's tokenizer. Return the folder."""
    tokenizer = AutoTokenizer.from_pretrained(find_checkpoint(PACKAGED_EMBEDDER).location)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        initializer_range=1.0,
        **labels,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder
