"""Tokenizers of each family, trained on a toy's texts."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    MarianTokenizer,
    NllbTokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLNetTokenizer,
)


def bert(texts: Sequence[str], **options: Any) -> Any:
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trained.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special))
    return BertTokenizer(vocab=trained.get_vocab(), **options)


def _bytes(texts: Sequence[str]) -> dict[str, Any]:
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trained.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=420,
            special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    model = json.loads(trained.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(merge) for merge in model["merges"]]}


def roberta(texts: Sequence[str], **options: Any) -> Any:
    return RobertaTokenizer(**_bytes(texts), **options)


def bart(texts: Sequence[str], **options: Any) -> Any:
    return BartTokenizer(**_bytes(texts), **options)


def _pieces(
    texts: Sequence[str], special: list[str], unknown: str, *, accents_off: bool = False
) -> list[tuple[str, float]]:
    trained = Tokenizer(models.Unigram())
    trained.normalizer = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents()] if accents_off else [])
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=400, special_tokens=special, unk_token=unknown)
    trained.train_from_iterator(texts, trainer)
    return [(piece, score) for piece, score in json.loads(trained.to_str())["model"]["vocab"]]


def xlnet(texts: Sequence[str], **options: Any) -> Any:
    special = ["<unk>", "<s>", "</s>", "<cls>", "<sep>", "<pad>", "<mask>", "<eod>", "<eop>"]
    return XLNetTokenizer(vocab=_pieces(texts, special, "<unk>", accents_off=True), **options)


def t5(texts: Sequence[str], **options: Any) -> Any:
    return T5Tokenizer(vocab=_pieces(texts, ["<pad>", "</s>", "<unk>"], "<unk>"), extra_ids=0, **options)


def nllb(texts: Sequence[str], codes: list[str], **options: Any) -> Any:
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=200, special_tokens=special))
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return NllbTokenizer(vocab=model["vocab"], merges=merges, extra_special_tokens=codes, **options)


def marian(texts: Sequence[str], directory: Path, **options: Any) -> Any:
    directory.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(directory / "spm"),
        vocab_size=90,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(directory / "spm.model"))
    learnt = [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]
    names = ["</s>", "<unk>", *(piece for piece in learnt if piece not in ("</s>", "<unk>", "<s>")), "<pad>"]
    vocabulary = directory / "pieces.json"
    vocabulary.write_text(json.dumps({name: number for number, name in enumerate(names)}))
    spm = str(directory / "spm.model")
    return MarianTokenizer(source_spm=spm, target_spm=spm, vocab=str(vocabulary), **options)
