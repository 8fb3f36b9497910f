"""BCP 47 tags against what models call their languages."""

import pytest
from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

from carteiro.models.in_process.languages import nearest


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
def test_nllb(tag, code):
    assert nearest(tag, FAIRSEQ_LANGUAGE_CODES) == code


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
def test_the_nearest_of_a_few(tag, codes, code):
    assert nearest(tag, codes) == code
