"""Tiny models of each family without training: their configurations and random weights.

The modules `training` and `untrained` make checkpoints of them.
"""

from typing import Any

import torch
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    FSMTConfig,
    FSMTForConditionalGeneration,
    GPT2Config,
    GPT2LMHeadModel,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    RobertaConfig,
    RobertaForQuestionAnswering,
    RobertaForSequenceClassification,
    T5Config,
    T5ForConditionalGeneration,
    XLNetConfig,
    XLNetForQuestionAnsweringSimple,
    XLNetForSequenceClassification,
)

from tests.unit.models.local import toys

POSITIONS = 64
"""Largest input of a tiny model, in tokens."""
PREFIXES = {
    "summarization": "summarize: ",
    "de": "translate English to German: ",
    "fr": "translate English to French: ",
}
_CLASSIFIERS = {
    "bert": BertForSequenceClassification,
    "roberta": RobertaForSequenceClassification,
    "xlnet": XLNetForSequenceClassification,
}
_READERS = {
    "bert": BertForQuestionAnswering,
    "roberta": RobertaForQuestionAnswering,
    "xlnet": XLNetForQuestionAnsweringSimple,
}
_SIZE: dict[str, Any] = {
    "d_model": 64,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
    "dropout": 0.0,
    "max_position_embeddings": POSITIONS,
}
_ENDS: dict[str, Any] = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "forced_eos_token_id": 2}


def classifier(family: str, tokenizer: Any, **options: Any) -> Any:
    names = {"id2label": dict(enumerate(toys.LABELS)), "label2id": {name: at for at, name in enumerate(toys.LABELS)}}
    return _encoder(family, _CLASSIFIERS, tokenizer, **names, **options)


def reader(family: str, tokenizer: Any) -> Any:
    return _encoder(family, _READERS, tokenizer)


def _encoder(family: str, heads: dict[str, Any], tokenizer: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    size = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if family == "xlnet":
        config: Any = XLNetConfig(d_model=64, n_layer=2, n_head=4, d_inner=128, dropout=0.0, **size, **options)
    else:
        kind, extra = (BertConfig, 0) if family == "bert" else (RobertaConfig, tokenizer.pad_token_id + 1)
        config = kind(
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            max_position_embeddings=POSITIONS + extra,
            type_vocab_size=2 if family == "bert" else 1,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            **size,
            **options,
        )
    return heads[family](config)


def gpt2(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    size = {"vocab_size": len(tokenizer), "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 2 * POSITIONS}
    return GPT2LMHeadModel(GPT2Config(**size, bos_token_id=0, eos_token_id=2))


def t5(tokenizer: Any, specific: dict[str, Any]) -> Any:
    """Build a T5. `specific` are its task-specific parameters."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=64,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
        n_positions=POSITIONS,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
        task_specific_params=specific,
    )
    return T5ForConditionalGeneration(config)


def bart(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    config = BartConfig(vocab_size=len(tokenizer), decoder_start_token_id=2, forced_bos_token_id=0, **_ENDS, **_SIZE)
    return BartForConditionalGeneration(config)


def marian(tokenizer: Any, **generation: Any) -> Any:
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
        **_SIZE,
    )
    model = MarianMTModel(config)
    model.generation_config.update(num_beams=3, bad_words_ids=[[pad]], **generation)
    return model


def m2m100(tokenizer: Any, words: int | None = None) -> Any:
    """Build an M2M100 or NLLB. `words` is the number of tokens, if it is not the tokenizer's length."""
    torch.manual_seed(0)
    config = M2M100Config(
        vocab_size=words or len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id,
        scale_embedding=True,
        **_SIZE,
    )
    return M2M100ForConditionalGeneration(config)


def mbart(tokenizer: Any, start: int | None) -> Any:
    """Build an mBART. `start` is the first token of a translation."""
    torch.manual_seed(0)
    return MBartForConditionalGeneration(
        MBartConfig(vocab_size=len(tokenizer), decoder_start_token_id=start, scale_embedding=True, **_ENDS, **_SIZE)
    )


def fsmt(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    words = {"src_vocab_size": tokenizer.src_vocab_size, "tgt_vocab_size": tokenizer.tgt_vocab_size}
    langs = [tokenizer.src_lang, tokenizer.tgt_lang]
    return FSMTForConditionalGeneration(
        FSMTConfig(langs=langs, decoder_start_token_id=2, num_beams=2, max_length=20, **words, **_ENDS, **_SIZE)
    )
