"""Tokenizers of each family, trained on the texts of a toy task."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import (
    BartTokenizer,
    BertTokenizer,
    FSMTTokenizer,
    M2M100Tokenizer,
    MarianTokenizer,
    MBart50Tokenizer,
    MBartTokenizer,
    NllbTokenizer,
    RobertaTokenizer,
    T5Tokenizer,
    XLNetTokenizer,
)
from transformers.models.m2m_100.tokenization_m2m_100 import FAIRSEQ_LANGUAGE_CODES as M2M100_CODES
from transformers.models.mbart.tokenization_mbart import FAIRSEQ_LANGUAGE_CODES as MBART_CODES
from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES as MBART50_CODES


def bert(texts: Sequence[str], **options: Any) -> Any:
    trained = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    trained.normalizer = normalizers.BertNormalizer(lowercase=True)
    trained.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trained.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=160, special_tokens=special))
    return BertTokenizer(vocab=trained.get_vocab(), **options)


def byte_level_bpe(texts: Sequence[str]) -> dict[str, Any]:
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
    return RobertaTokenizer(**byte_level_bpe(texts), **options)


def bart(texts: Sequence[str], **options: Any) -> Any:
    return BartTokenizer(**byte_level_bpe(texts), **options)


def _unigram_vocabulary(
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
    return XLNetTokenizer(vocab=_unigram_vocabulary(texts, special, "<unk>", accents_off=True), **options)


def t5(texts: Sequence[str], **options: Any) -> Any:
    return T5Tokenizer(vocab=_unigram_vocabulary(texts, ["<pad>", "</s>", "<unk>"], "<unk>"), extra_ids=0, **options)


def nllb(texts: Sequence[str], codes: list[str], **options: Any) -> Any:
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=200, special_tokens=special))
    model = json.loads(trained.to_str())["model"]
    merges = [tuple(merge) for merge in model["merges"]]
    return NllbTokenizer(vocab=model["vocab"], merges=merges, extra_special_tokens=codes, **options)


def mbart(texts: Sequence[str], **options: Any) -> Any:
    return MBartTokenizer(vocab=_with_codes(texts, MBART_CODES), **options)


def mbart50(texts: Sequence[str], **options: Any) -> Any:
    return MBart50Tokenizer(vocab=_with_codes(texts, MBART50_CODES), **options)


def _with_codes(texts: Sequence[str], codes: Sequence[str]) -> list[tuple[str, float]]:
    pieces = _unigram_vocabulary(texts, ["<s>", "<pad>", "</s>", "<unk>"], "<unk>")
    return [*pieces, *((code, 0.0) for code in codes), ("<mask>", 0.0)]


def m2m100(texts: Sequence[str], directory: Path, *, named: bool, **options: Any) -> tuple[Any, int]:
    """Return the tokenizer and its number of tokens. If `named` is True, the language tokens are special tokens."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    model, learnt = _train_sentencepiece(texts, directory)
    vocabulary = _write_vocabulary(directory, [*special, *(piece for piece in learnt if piece not in special)])
    codes = M2M100_CODES["m2m100"]
    if named:
        options["additional_special_tokens"] = [f"__{code}__" for code in codes]
    tokenizer = M2M100Tokenizer(vocab_file=str(vocabulary), spm_file=model, **options)
    return tokenizer, tokenizer.vocab_size + len(codes) + tokenizer.num_madeup_words


def fsmt(texts: Sequence[str], directory: Path, langs: list[str], **options: Any) -> Any:
    trained = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    trained.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=special, end_of_word_suffix="</w>")
    trained.train_from_iterator(texts, trainer)
    model = json.loads(trained.to_str())["model"]
    merges = directory / "merges.txt"
    merges.write_text("".join(f"{' '.join(merge)}\n" for merge in model["merges"]))
    words = str(_write_vocabulary(directory, sorted(model["vocab"], key=model["vocab"].get)))
    return FSMTTokenizer(langs=langs, src_vocab_file=words, tgt_vocab_file=words, merges_file=str(merges), **options)


def marian(texts: Sequence[str], directory: Path, **options: Any) -> Any:
    model, learnt = _train_sentencepiece(texts, directory)
    names = ["</s>", "<unk>", *(piece for piece in learnt if piece not in ("</s>", "<unk>", "<s>")), "<pad>"]
    vocabulary = str(_write_vocabulary(directory, names))
    return MarianTokenizer(source_spm=model, target_spm=model, vocab=vocabulary, **options)


def _train_sentencepiece(texts: Sequence[str], directory: Path) -> tuple[str, list[str]]:
    """Return the file of a SentencePiece model and its pieces."""
    directory.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(directory / "spm"),
        vocab_size=90,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    file = str(directory / "spm.model")
    pieces = sentencepiece.SentencePieceProcessor(model_file=file)
    return file, [pieces.id_to_piece(number) for number in range(pieces.get_piece_size())]


def _write_vocabulary(directory: Path, names: Sequence[str]) -> Path:
    """Write a vocabulary file with the names and their ids, and return its path."""
    vocabulary = directory / "pieces.json"
    vocabulary.write_text(json.dumps({name: number for number, name in enumerate(names)}))
    return vocabulary
