"""Tiny untrained models as Transformers saves them. Their output has no meaning and is the same everywhere."""

from pathlib import Path
from typing import Any

import torch
from transformers import GPT2Tokenizer

from tests.unit.models import architectures
from tests.unit.models.architectures import POSITIONS, PREFIXES
from tests.unit.models.local import toy_tokenizers, toys

_TEXTS = [text for each in toys.sentences()[:40] for text in each.values()]


def _save(model: Any, tokenizer: Any, directory: Path) -> Path:
    # The scale is larger than at the start of a training, so that no two tokens are about equally likely.
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(3)
    model.eval().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def _perturbed(model: Any) -> Any:
    """Return the model with perturbed layers. A model with tied embeddings would otherwise echo its input."""
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "shared" not in name and "embed" not in name:
                weights.add_(torch.randn_like(weights) * 0.1)
    return model


def marian(directory: Path) -> Path:
    tokenizer = toy_tokenizers.marian(_TEXTS, directory, model_max_length=POSITIONS, source_lang="en", target_lang="de")
    return _save(architectures.marian(tokenizer, max_length=20), tokenizer, directory)


def t5(directory: Path) -> Path:
    tokenizer = toy_tokenizers.t5([*_TEXTS, *PREFIXES.values()], model_max_length=POSITIONS)
    specific = {
        "summarization": {"prefix": PREFIXES["summarization"], "max_length": 12},
        "translation_en_to_de": {"prefix": PREFIXES["de"], "num_beams": 2, "max_length": 16},
    }
    return _save(architectures.t5(tokenizer, specific), tokenizer, directory)


def m2m100(directory: Path, *, named: bool = True) -> Path:
    """Save an M2M100. With `named`, its language tokens are special tokens, as in published tokenizers."""
    tokenizer, words = toy_tokenizers.m2m100(_TEXTS, directory, named=named, model_max_length=POSITIONS)
    return _save(_perturbed(architectures.m2m100(tokenizer, words)), tokenizer, directory)


def mbart(directory: Path, target: str | None = None) -> Path:
    """Save an mBART. With `target`, it translates only into that language."""
    tokenizer = toy_tokenizers.mbart(_TEXTS, model_max_length=POSITIONS)
    start = None if target is None else tokenizer.convert_tokens_to_ids(target)
    return _save(_perturbed(architectures.mbart(tokenizer, start)), tokenizer, directory)


def mbart50(directory: Path) -> Path:
    tokenizer = toy_tokenizers.mbart50(_TEXTS, model_max_length=POSITIONS)
    return _save(_perturbed(architectures.mbart(tokenizer, tokenizer.eos_token_id)), tokenizer, directory)


def fsmt(directory: Path) -> Path:
    tokenizer = toy_tokenizers.fsmt(_TEXTS, directory, ["en", "de"], model_max_length=POSITIONS)
    return _save(architectures.fsmt(tokenizer), tokenizer, directory)


def gpt2(directory: Path) -> Path:
    named = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
    tokenizer = GPT2Tokenizer(**toy_tokenizers.byte_level_bpe(_TEXTS), **named)
    return _save(architectures.gpt2(tokenizer), tokenizer, directory)


def bert(directory: Path, **options: Any) -> Path:
    return _classifier("bert", directory, **options)


def roberta(directory: Path, **options: Any) -> Path:
    return _classifier("roberta", directory, **options)


def _classifier(family: str, directory: Path, **options: Any) -> Path:
    tokenizer = getattr(toy_tokenizers, family)(_TEXTS, model_max_length=POSITIONS)
    model = architectures.classifier(family, tokenizer, **options)
    with torch.no_grad():
        for norm in (module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)):
            norm.bias.normal_()
    return _save(model, tokenizer, directory)
