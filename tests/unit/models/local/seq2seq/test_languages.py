"""Matching of BCP 47 tags and language codes of models."""

import pytest
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

from carteiro.models.local.seq2seq.languages import match_language


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en", "eng_Latn"),
        ("pt-BR", "por_Latn"),
        ("zh", "zho_Hans"),
        ("zh-TW", "zho_Hant"),
        ("zh-Hant", "zho_Hant"),
        ("ar", "arb_Arab"),
        ("fa", "pes_Arab"),
        ("no", "nob_Latn"),
        ("nn", "nno_Latn"),
        ("sr", "srp_Cyrl"),
        ("iw", "heb_Hebr"),
        ("xx", None),
        ("sr-Latn", None),
    ],
)
def test_tag_matches_nllb_code(tag, code):
    assert match_language(tag, FAIRSEQ_LANGUAGE_CODES) == code


@pytest.mark.parametrize(
    ("tag", "codes", "code"),
    [
        ("pt", ["pt_br", "pt"], "pt"),
        ("pt-BR", ["pt", "pt_br"], "pt_br"),
        ("pt", ["en_XX", "pt_XX"], "pt_XX"),
        ("zh-Hans", ["zh_CN"], "zh_CN"),
        ("zh-TW", ["zh_CN"], None),
        ("de", ["nl", "da"], None),
    ],
)
def test_tag_matches_nearest_code(tag, codes, code):
    assert match_language(tag, codes) == code
