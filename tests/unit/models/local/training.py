"""Training of tiny models on the toy tasks; they are saved in the format of Transformers."""

import random
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from tests.unit.models import architectures
from tests.unit.models.architectures import POSITIONS, PREFIXES
from tests.unit.models.local import toy_tokenizers, toys

TRAIN_SHARE = 0.8
"""Share of a toy task's examples for training."""
CODES = {"en": "eng_Latn", "de": "deu_Latn", "fr": "fra_Latn"}


def _train(model: Any, batch: Callable[[random.Random], Any], steps: int, rate: float = 3e-3) -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more threads do not make a tiny model faster
    chance = random.Random(0)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=rate, total_steps=steps)
    for _ in range(steps):
        loss = model(**batch(chance)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    torch.set_num_threads(threads)
    return model.eval()


def _save(model: Any, tokenizer: Any, directory: Path) -> Path:
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def classifier(family: str, directory: Path) -> Path:
    examples = toys.sentiments()
    tokenizer = getattr(toy_tokenizers, family)([text for text, _ in examples], model_max_length=POSITIONS)
    model = architectures.classifier(family, tokenizer)
    shown = examples[: int(TRAIN_SHARE * len(examples))]

    def batch(chance: random.Random) -> Any:
        some = chance.sample(shown, 32)
        labels = torch.tensor([toys.LABELS.index(label) for _, label in some])
        return dict(tokenizer([text for text, _ in some], padding=True, return_tensors="pt")) | {"labels": labels}

    return _save(_train(model, batch, 120), tokenizer, directory)


def reader(family: str, directory: Path) -> Path:
    # XLNet trains slowly and runs slowly, so it gets short contexts.
    shown = toys.questions(1500, seed=0, max_words=8 if family == "xlnet" else 20)
    # As in real use, windows of long contexts start and end anywhere, also within a word.
    shown += toys.questions(100, seed=1, min_words=40, max_words=80)
    texts = [each.context for each in shown] + [each.question for each in shown]
    tokenizer = getattr(toy_tokenizers, family)(texts, model_max_length=POSITIONS)
    model = architectures.reader(family, tokenizer)
    encoded = [window for each in shown for window in _encode_answer(tokenizer, each)]

    def batch(chance: random.Random) -> Any:
        some = chance.sample(encoded, 32)
        names = [name for name in some[0] if not name.endswith("_positions")]
        inputs = tokenizer.pad({name: [row[name] for row in some] for name in names}, return_tensors="pt")
        width = inputs["input_ids"].shape[1]
        shifts = [width - len(row["input_ids"]) if tokenizer.padding_side == "left" else 0 for row in some]
        return dict(inputs) | {
            name: torch.tensor([row[name] + shift for row, shift in zip(some, shifts, strict=True)])
            for name in ("start_positions", "end_positions")
        }

    return _save(_train(model, batch, 1000 if family == "xlnet" else 500), tokenizer, directory)


def _encode_answer(tokenizer: Any, question: toys.ToyQuestion) -> list[dict[str, Any]]:
    """Return the windows of an example, with the token positions of its answer if a window has all of it."""
    first = tokenizer.padding_side == "right"
    pair = (question.question, question.context) if first else (question.context, question.question)
    encoded = tokenizer(
        *pair,
        truncation="only_second" if first else "only_first",
        max_length=POSITIONS,
        stride=16,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    windows = []
    for number, ids in enumerate(encoded["input_ids"]):
        sides, offsets = encoded.sequence_ids(number), encoded["offset_mapping"][number]
        inside_context = {at: offset for at, offset in enumerate(offsets) if sides[at] == (1 if first else 0)}
        start = end = ids.index(tokenizer.cls_token_id)
        if inside := _answer_token_indices(question, inside_context):
            start, end = inside[0], inside[-1]
        windows.append(
            {name: encoded[name][number] for name in tokenizer.model_input_names}
            | {"start_positions": start, "end_positions": end}
        )
    return windows


def _answer_token_indices(question: toys.ToyQuestion, offsets: dict[int, tuple[int, int]]) -> list[int]:
    """Return the indices of the answer's tokens, by their offsets; an empty list if a part of the answer is missing."""
    if question.start is None or question.end is None:
        return []
    # A tokenizer that removes accents leaves the last combining mark outside.
    last = question.end - bool(unicodedata.combining(question.context[question.end - 1]))
    inside = [at for at, offset in offsets.items() if offset[0] < last and offset[1] > question.start]
    whole = inside and offsets[inside[0]][0] <= question.start and offsets[inside[-1]][1] >= last
    return inside if whole else []


def _seq2seq(model: Any, tokenizer: Any, pairs: Sequence[tuple[Any, list[int]]], steps: int, rate: float = 3e-3) -> Any:
    """Train a model on `pairs` of input and output tokens."""

    def batch(chance: random.Random) -> Any:
        some = chance.sample(pairs, 32)
        inputs = tokenizer.pad({"input_ids": [source for source, _ in some]}, return_tensors="pt")
        width = max(len(target) for _, target in some)
        labels = torch.tensor([target + [-100] * (width - len(target)) for _, target in some])
        return {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"], "labels": labels}

    return _train(model, batch, steps, rate)


def _training_sentences() -> list[dict[str, str]]:
    known = toys.sentences()
    return known[: int(TRAIN_SHARE * len(known))]


def _all_texts() -> list[str]:
    return [text for each in toys.sentences() for text in each.values()]


def t5(directory: Path) -> Path:
    tokenizer = toy_tokenizers.t5([*_all_texts(), *PREFIXES.values()], model_max_length=POSITIONS)
    specific = {
        "summarization": {
            "prefix": PREFIXES["summarization"],
            "num_beams": 2,
            "max_length": 24,
            "early_stopping": True,
        },
        "translation_en_to_de": {"prefix": PREFIXES["de"], "num_beams": 2, "max_length": 40},
        "translation_en_to_fr": {"prefix": PREFIXES["fr"], "max_length": 40},
    }
    pairs = []
    for each in _training_sentences():
        asked = {"summary": "summarization", "de": "de", "fr": "fr"}
        for wanted, prefix in asked.items():
            pairs.append((tokenizer(PREFIXES[prefix] + each["en"])["input_ids"], tokenizer(each[wanted])["input_ids"]))
    return _save(_seq2seq(architectures.t5(tokenizer, specific), tokenizer, pairs, 1000), tokenizer, directory)


def bart(directory: Path) -> Path:
    tokenizer = toy_tokenizers.bart(_all_texts(), model_max_length=POSITIONS)
    pairs = [
        (tokenizer(each["en"])["input_ids"], tokenizer(each["summary"])["input_ids"]) for each in _training_sentences()
    ]
    model = _seq2seq(architectures.bart(tokenizer), tokenizer, pairs, 400)
    model.generation_config.max_length = 30
    return _save(model, tokenizer, directory)


def marian(directory: Path, **languages: str) -> Path:
    languages = languages or {"source_lang": "en", "target_lang": "de"}
    tokenizer = toy_tokenizers.marian(_all_texts(), directory, model_max_length=POSITIONS, **languages)
    pairs = [
        (tokenizer(each["en"])["input_ids"], tokenizer(text_target=each["de"])["input_ids"])
        for each in _training_sentences()
    ]
    model = _with_zero_start_embedding(architectures.marian(tokenizer, max_length=40), tokenizer.pad_token_id)
    return _save(_seq2seq(model, tokenizer, pairs, 500), tokenizer, directory)


def _with_zero_start_embedding(model: Any, start: int) -> Any:
    """Return the model with a fixed zero embedding for the start token of the decoder.

    Every Marian model has it, and engines rely on it.
    """
    weights, row = model.get_input_embeddings().weight, torch.tensor([start])
    with torch.no_grad():
        weights.index_fill_(0, row, 0.0)
    weights.register_hook(lambda slope: slope.index_fill(0, row, 0.0))
    return model


def nllb(directory: Path) -> Path:
    tokenizer = toy_tokenizers.nllb(_all_texts(), list(CODES.values()), model_max_length=POSITIONS)
    pairs = []
    for each in _training_sentences():
        for source, target in (("en", "de"), ("en", "fr"), ("de", "en"), ("fr", "de")):
            tokenizer.src_lang = CODES[source]
            asked = tokenizer(each[source])["input_ids"]
            tokenizer.src_lang = CODES[target]  # a target has the form of a source: code, text, end token
            pairs.append((asked, tokenizer(each[target])["input_ids"]))
    return _save(_seq2seq(architectures.m2m100(tokenizer), tokenizer, pairs, 900), tokenizer, directory)
