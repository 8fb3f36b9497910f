"""Tiny models as Transformers saves them, not trained: what they say means nothing, and is the same everywhere."""

from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    GPT2Tokenizer,
    MarianConfig,
    MarianMTModel,
    RobertaConfig,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
)

from tests.unit.models.local import toys, vocabularies

POSITIONS = 64
PREFIXES = {"summarization": "summarize: ", "translation_en_to_de": "translate English to German: "}
_TEXTS = [text for each in toys.sentences()[:40] for text in each.values()]


def _save(model: Any, tokenizer: Any, directory: Path) -> Path:
    # Larger than a training would begin with, so that no two tokens are about as likely.
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(3)
    model.eval().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def marian(directory: Path) -> Path:
    tokenizer = vocabularies.marian(_TEXTS, directory, model_max_length=POSITIONS, source_lang="en", target_lang="de")
    torch.manual_seed(0)
    pad = tokenizer.pad_token_id
    config = MarianConfig(
        vocab_size=len(tokenizer.get_vocab()),
        pad_token_id=pad,
        eos_token_id=0,
        bos_token_id=0,
        decoder_start_token_id=pad,
        forced_eos_token_id=0,
        scale_embedding=True,
        d_model=64,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=128,
        decoder_ffn_dim=128,
        max_position_embeddings=POSITIONS,
    )
    model = MarianMTModel(config)
    model.generation_config.update(num_beams=3, max_length=20, bad_words_ids=[[pad]])
    return _save(model, tokenizer, directory)


def t5(directory: Path) -> Path:
    tokenizer = vocabularies.t5([*_TEXTS, *PREFIXES.values()], model_max_length=POSITIONS)
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        n_positions=POSITIONS,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        task_specific_params={
            "summarization": {"prefix": PREFIXES["summarization"], "max_length": 12},
            "translation_en_to_de": {"prefix": PREFIXES["translation_en_to_de"], "num_beams": 2, "max_length": 16},
        },
    )
    return _save(T5ForConditionalGeneration(config), tokenizer, directory)


def gpt2(directory: Path) -> Path:
    tokenizer = GPT2Tokenizer(
        **vocabularies._bytes(_TEXTS), bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>"
    )
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=64, n_layer=2, n_head=4, n_positions=128, bos_token_id=0, eos_token_id=2
    )
    return _save(GPT2LMHeadModel(config), tokenizer, directory)


def _classifier(model: Any, tokenizer: Any, directory: Path) -> Path:
    with torch.no_grad():
        for norm in (module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)):
            norm.bias.normal_()
    return _save(model, tokenizer, directory)


_ENCODER = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "id2label": dict(enumerate(toys.LABELS)),
    "label2id": {name: at for at, name in enumerate(toys.LABELS)},
}


def bert(directory: Path, **options: Any) -> Path:
    tokenizer = vocabularies.bert(_TEXTS, model_max_length=POSITIONS)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(tokenizer), max_position_embeddings=POSITIONS, **_ENCODER, **options)
    return _classifier(BertForSequenceClassification(config), tokenizer, directory)


def roberta(directory: Path, **options: Any) -> Path:
    tokenizer = vocabularies.roberta(_TEXTS, model_max_length=POSITIONS)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        max_position_embeddings=POSITIONS + 2,
        type_vocab_size=1,
        pad_token_id=1,
        **_ENCODER,
        **options,
    )
    return _classifier(RobertaForSequenceClassification(config), tokenizer, directory)
