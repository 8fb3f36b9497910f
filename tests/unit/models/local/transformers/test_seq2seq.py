"""Encoder-decoders: correct on held-out texts, with the right prefix and language, and equal to Transformers."""

import asyncio
import json
import shutil

import pytest
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unsupported
from carteiro.models.interface import SummaryModel, TranslationModel
from carteiro.models.prompt import GenerationOptions
from carteiro.schemas.summarize import SummarizeRequest
from carteiro.schemas.translate import TranslateRequest
from services.summarize.task import summarize
from services.translate.task import translate
from tests.unit.models.architectures import PREFIXES
from tests.unit.models.local import toys
from tests.unit.models.local.training import CODES

pytestmark = [pytest.mark.slow, pytest.mark.long]
HELD_OUT = toys.sentences()[int(0.8 * len(toys.sentences())) :]


@pytest.mark.parametrize("family", ["t5", pytest.param("bart", marks=pytest.mark.long)])
async def test_held_out_texts_are_summarized(made, load, family):
    model = await load(made(family))
    assert isinstance(model, SummaryModel)
    done = await asyncio.gather(*(summarize(SummarizeRequest(text=each["en"]), model) for each in HELD_OUT))
    assert [each.result.summary for each in done] == [each["summary"] for each in HELD_OUT]
    assert {each.finish_reason for each in done} == {"stop"}


@pytest.mark.parametrize(
    ("family", "source", "target"),
    [
        ("t5", "en", "de"),
        ("t5", "en", "fr"),
        ("marian", "en", "de"),
        pytest.param("nllb", "en", "de", marks=pytest.mark.long),
        pytest.param("nllb", "en", "fr", marks=pytest.mark.long),
        pytest.param("nllb", "de", "en", marks=pytest.mark.long),
        pytest.param("nllb", "fr", "de", marks=pytest.mark.long),
    ],
)
async def test_held_out_texts_are_translated(made, load, family, source, target):
    model = await load(made(family))
    assert isinstance(model, TranslationModel)
    requests = [TranslateRequest(text=each[source], source=source, target=target) for each in HELD_OUT]
    done = await asyncio.gather(*(translate(request, model) for request in requests))
    assert [each.result.text for each in done] == [each[target] for each in HELD_OUT]
    assert {each.result.source for each in done} == {source}


def written_by_transformers(directory, text, **parameters):
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForSeq2SeqLM.from_pretrained(directory)
    if source := parameters.pop("src_lang", None):
        tokenizer.src_lang = source
    output = plain.generate(**tokenizer(text, return_tensors="pt"), **parameters)
    return tokenizer.decode(output[0], skip_special_tokens=True)


ODD = "the cat fox . 🎉 at home sleeps the the dog"
"""Text unlike the training texts: its output depends on beams, limits and prefixes."""


@pytest.mark.parametrize("together", [False, True], ids=["alone", "in a batch"])
async def test_output_equals_transformers_in_batch_and_without(made, load, together):
    specific = json.loads((made("t5") / "config.json").read_text())["task_specific_params"]

    def own(task):
        return {name: value for name, value in specific[task].items() if name != "prefix"}

    async def first_of_batch(call):
        others = [asyncio.ensure_future(call(each["en"])) for each in HELD_OUT] if together else []
        return (await asyncio.gather(call(ODD), *others))[0].text

    t5, bart, marian, nllb = [await load(made(family)) for family in ("t5", "bart", "marian", "nllb")]
    assert await first_of_batch(lambda text: t5.summarize(text, GenerationOptions())) == written_by_transformers(
        made("t5"), PREFIXES["summarization"] + ODD, **own("summarization")
    )
    assert await first_of_batch(lambda text: t5.translate(text, "en", "de")) == written_by_transformers(
        made("t5"), PREFIXES["de"] + ODD, **own("translation_en_to_de")
    )
    assert await first_of_batch(lambda text: bart.summarize(text, GenerationOptions())) == written_by_transformers(
        made("bart"), ODD
    )
    assert await first_of_batch(lambda text: marian.translate(text, "en", "de")) == written_by_transformers(
        made("marian"), ODD
    )
    first = AutoTokenizer.from_pretrained(made("nllb")).convert_tokens_to_ids(CODES["fr"])
    assert await first_of_batch(lambda text: nllb.translate(text, "en", "fr")) == written_by_transformers(
        made("nllb"), ODD, src_lang=CODES["en"], forced_bos_token_id=first, max_new_tokens=63
    )


async def test_token_limit_is_kept_and_reported(made, load):
    model = await load(made("t5"))
    done = await model.summarize(HELD_OUT[0]["en"], GenerationOptions(max_output_tokens=2))
    assert (done.finish_reason, done.usage.output_tokens) == ("length", 2)
    request = SummarizeRequest(text=HELD_OUT[0]["en"], options={"max_output_tokens": 2})
    assert (await summarize(request, model)).finish_reason == "length"


async def test_seed_repeats_sampled_text(made, load):
    model = await load(made("t5"))
    texts = [
        (await model.summarize(ODD, GenerationOptions(temperature=2.0, seed=seed))).text for seed in (1, 1, 2, 3, 4)
    ]
    assert texts[0] == texts[1]
    assert len(set(texts)) > 1


async def test_lines_are_kept_and_long_texts_are_translated_in_parts(made, load):
    model = await load(made("marian"))
    text = f"{HELD_OUT[0]['en']}\n\n  {HELD_OUT[1]['en']}\n"
    assert (await model.translate(text, "en", "de")).text == f"{HELD_OUT[0]['de']}\n\n  {HELD_OUT[1]['de']}\n"
    long = " ".join(each["en"] for each in HELD_OUT)
    assert model.count_tokens(long) > 2 * model.context_tokens
    assert (await model.translate(long, "en", "de")).text.count("!") >= 2


async def test_too_long_text_is_summarized_in_parts(made, load):
    model = await load(made("bart"))
    long = " ".join(each["en"] for each in HELD_OUT)
    with pytest.raises(PromptTooLarge, match=r"reads 64"):
        await model.summarize(long, GenerationOptions())
    assert (await summarize(SummarizeRequest(text=long), model)).result.parts > 1


@pytest.mark.parametrize(
    ("family", "source", "target", "message"),
    [
        ("t5", "en", "pt", "does not translate into pt, but into de, fr"),
        ("t5", "fr", "de", "does not translate from fr into de, but from en"),
        ("marian", "en", "fr", "into fr, but into de"),
        ("nllb", "en", "pt", "into pt, but into de, en, fr"),
        ("nllb", "pt", "en", "does not translate from pt, but from"),
        ("nllb", None, "en", "does not recognise the text's language"),
    ],
)
async def test_unknown_languages_are_unsupported(made, load, family, source, target, message):
    model = await load(made(family))
    with pytest.raises(Unsupported, match=message):
        await model.translate("the cat", source, target)


async def test_source_is_optional_if_model_has_only_one(made, load):
    for family in ("t5", "marian"):
        done = await (await load(made(family))).translate(HELD_OUT[0]["en"], None, "de-AT")
        assert (done.text, done.source) == (HELD_OUT[0]["de"], "en")


async def test_translator_without_languages_is_rejected(made, load, tmp_path):
    nameless = tmp_path / "nameless"
    shutil.copytree(made("marian"), nameless)
    known = json.loads((nameless / "tokenizer_config.json").read_text())
    (nameless / "tokenizer_config.json").write_text(json.dumps(known | {"source_lang": None, "target_lang": None}))
    with pytest.raises(ModelUnusable, match="source_lang and target_lang"):
        await load(nameless)
    named = nameless.rename(tmp_path / "opus-mt-en-de")
    assert (await (await load(named)).translate(HELD_OUT[0]["en"], "en", "de")).text == HELD_OUT[0]["de"]
