"""Untrained translation models: the output equals that of Transformers' `generate`.

The languages are passed as the page of each model in Transformers' documentation describes.
"""

import asyncio
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer, FSMTConfig

from carteiro.models.errors import ModelUnusable, Unsupported
from carteiro.models.interface import SummaryModel, TranslationModel
from tests.unit.models import untrained

pytestmark = pytest.mark.slow

TEXTS = ["the cat sleeps at home .", "fox", "the dog jumps at school . the bird sings at church ."]
FORCED, STARTED = "forced_bos_token_id", "decoder_start_token_id"


@pytest.fixture(scope="session")
def made(once) -> Callable[..., Path]:
    return lambda family, **options: once(getattr(untrained, family), **options)


def by_transformers(directory: Path, text: str, source: str | None = None, **parameters: Any) -> str:
    """Return the text of Transformers. `source` is set on the tokenizer; a language parameter is given by its token."""
    tokenizer, plain = _load_with_transformers(directory, source)
    numbers = {
        name: tokenizer.convert_tokens_to_ids(value) if isinstance(value, str) else value
        for name, value in parameters.items()
    }
    output = plain.generate(**tokenizer(text, return_tensors="pt"), **numbers)[0]
    return tokenizer.decode(output, skip_special_tokens=True).strip()


@functools.cache
def _load_with_transformers(directory: Path, source: str | None) -> tuple[Any, Any]:
    tokenizer = AutoTokenizer.from_pretrained(directory)
    if source is not None:
        tokenizer.src_lang = source
    return tokenizer, AutoModelForSeq2SeqLM.from_pretrained(directory)


@pytest.mark.parametrize(
    ("family", "source", "parameter", "targets"),
    [
        ("m2m100", "en", FORCED, {"de": "__de__", "zh": "__zh__"}),
        ("mbart50", "en_XX", FORCED, {"de": "de_DE", "pt-BR": "pt_XX"}),
        ("mbart", "en_XX", STARTED, {"de": "de_DE", "ro": "ro_RO"}),
    ],
)
async def test_translation_equals_transformers_in_batch_and_without(made, load, family, source, parameter, targets):
    directory = made(family)
    model = await load(directory)
    assert isinstance(model, TranslationModel)
    assert not isinstance(model, SummaryModel)
    for target, token in targets.items():
        together = await asyncio.gather(*(model.translate(text, "en", target) for text in TEXTS))
        alone = [await model.translate(text, "en", target) for text in TEXTS]
        expected = [by_transformers(directory, text, source, **{parameter: token}, max_new_tokens=63) for text in TEXTS]
        assert [each.text for each in together] == [each.text for each in alone] == expected
        assert len(set(expected)) == len(TEXTS), "the output depends on the text"
    one, other = targets
    translations = [
        [(await model.translate(text, source, target)).text for text in TEXTS]
        for source, target in (("en", one), ("en", other), ("fr", one))
    ]
    assert translations[0] not in translations[1:], "the output depends on the source and the target"
    with pytest.raises(Unsupported, match="does not recognise the text's language"):
        await model.translate(TEXTS[0], None, "de")
    with pytest.raises(Unsupported, match="does not translate into mi"):
        await model.translate(TEXTS[0], "en", "mi")


async def test_language_token_is_not_part_of_the_text(made, load):
    directory = made("m2m100", named=False)
    assert by_transformers(directory, TEXTS[0], "en", forced_bos_token_id="__de__", max_new_tokens=63)[:6] == "__de__"
    assert (await (await load(directory)).translate(TEXTS[0], "en", "de")).text[:6] != "__de__"


async def test_mbart_with_configured_start_token_has_one_target(made, load):
    directory = made("mbart", target="ro_RO")
    model = await load(directory)
    for source, code in (("en", "en_XX"), ("de", "de_DE")):
        expected = by_transformers(directory, TEXTS[0], code, max_new_tokens=63)
        assert (await model.translate(TEXTS[0], source, "ro")).text == expected
    with pytest.raises(Unsupported, match="into fr, but into ro"):
        await model.translate(TEXTS[0], "en", "fr")


async def test_mbart_with_configured_pair_gets_its_source(made, load, tmp_path):
    directory = untrained.mbart(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    own = {"translation_en_to_ro": {"decoder_start_token_id": tokenizer.convert_tokens_to_ids("ro_RO")}}
    for name, change in (("config", {"task_specific_params": own}), ("tokenizer_config", {"src_lang": "de_DE"})):
        file = directory / f"{name}.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | change))
    model = await load(directory)
    expected = by_transformers(directory, TEXTS[0], "en_XX", decoder_start_token_id="ro_RO", max_new_tokens=63)
    assert (await model.translate(TEXTS[0], None, "ro")).text == expected


async def test_fsmt_translation_equals_transformers(made, load):
    pytest.importorskip("sacremoses", reason="pip install sacremoses")
    directory = made("fsmt")
    model = await load(directory)
    together = await asyncio.gather(*(model.translate(text, "en", "de") for text in TEXTS))
    assert [each.text for each in together] == [by_transformers(directory, text) for text in TEXTS]
    with pytest.raises(Unsupported, match="from de into en|into en, but into de"):
        await model.translate(TEXTS[0], "de", "en")


async def test_fsmt_without_tokenizer_package_is_rejected(load, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacremoses", None)
    words = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    small = {"src_vocab_size": 4, "tgt_vocab_size": 4, "d_model": 64, "encoder_layers": 1, "decoder_layers": 1}
    FSMTConfig(**small, architectures=["FSMTForConditionalGeneration"]).save_pretrained(tmp_path)
    for name in ("vocab-src.json", "vocab-tgt.json"):
        (tmp_path / name).write_text(json.dumps(words))
    (tmp_path / "merges.txt").write_text("")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"langs": ["en", "de"]}))
    with pytest.raises(ModelUnusable, match="needs a package that is not installed: .*sacremoses"):
        await load(tmp_path)
