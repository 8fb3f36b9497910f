"""Marian and T5 through CTranslate2: the output equals that of Transformers."""

import asyncio
import json
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unavailable, Unsupported
from carteiro.models.interface import SummaryModel, TranslationModel
from carteiro.models.prompt import GenerationOptions
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models import untrained
from tests.unit.models.local import toys, training

pytest.importorskip("ctranslate2", reason="pip install 'carteiro[ctranslate2]'")
pytestmark = pytest.mark.slow

TEXTS = ["as we said , the room was great .", "well", "the food was awful\n\n  and the trip was wooden .\n"]


def converted(make: Callable[[Path], Path], directory: Path) -> Path:
    from ctranslate2.converters import TransformersConverter

    make(directory)
    TransformersConverter(str(directory)).convert(str(directory / "ctranslate2"))
    return directory


@pytest.fixture(scope="session")
def made(once) -> Callable[[str], Path]:
    return lambda family: once(converted, getattr(untrained, family))


@pytest_asyncio.fixture(loop_scope="session")
async def load() -> AsyncIterator[Callable[..., Any]]:
    opened: list[Any] = []

    async def open_and_load(kind: str, directory: Path, **settings: Any) -> Any:
        opened.append(open_model(f"{kind}:{directory}", ModelSettings(CARTEIRO_LOCAL_DTYPE="float32", **settings)))
        await opened[-1].load()
        return opened[-1]

    yield open_and_load
    for model in opened:
        await model.close()


def is_same_output(mine: Any, theirs: Any) -> bool:
    return (mine.text, mine.usage) == (theirs.text, theirs.usage)


@pytest.mark.parametrize("family", ["marian", "t5"])
async def test_translation_equals_transformers(made, load, family):
    model, base = await load("ctranslate2", made(family)), await load("local", made(family))
    assert isinstance(model, TranslationModel)
    assert (model.context_tokens, model.is_small) == (base.context_tokens, base.is_small)
    for text in TEXTS:
        assert model.count_tokens(text) == base.count_tokens(text)
        mine, theirs = await model.translate(text, "en", "de"), await base.translate(text, "en", "de")
        assert is_same_output(mine, theirs)
        assert mine.source == "en"
    together = await asyncio.gather(*(model.translate(text, None, "de") for text in TEXTS * 3))
    assert [each.text for each in together[:3]] == [(await base.translate(text, None, "de")).text for text in TEXTS]
    with pytest.raises(Unsupported, match="does not translate into ja, but from|into"):
        await model.translate("x", "en", "ja")


async def test_summary_equals_transformers(made, load):
    model, base = await load("ctranslate2", made("t5")), await load("local", made("t5"))
    assert isinstance(model, SummaryModel)
    assert model.context_tokens == base.context_tokens
    for generation_options in (
        GenerationOptions(),
        GenerationOptions(max_output_tokens=5),
        GenerationOptions(temperature=0, max_output_tokens=30),
    ):
        for text in TEXTS:
            mine = await model.summarize(text, generation_options)
            theirs = await base.summarize(text, generation_options)
            assert is_same_output(mine, theirs)
            assert mine.finish_reason == theirs.finish_reason
    with pytest.raises(PromptTooLarge, match="reads 64"):
        await model.summarize("well " * 100, GenerationOptions())


def test_marian_only_translates_and_t5_also_summarizes(made):
    marian, t5 = (open_model(f"ctranslate2:{made(family)}", ModelSettings()) for family in ("marian", "t5"))
    assert not isinstance(marian, SummaryModel)
    assert isinstance(t5, TranslationModel) and isinstance(t5, SummaryModel)  # noqa: PT018


async def test_temperature_samples_and_rejects_a_seed(made, load):
    model = await load("ctranslate2", made("t5"))
    sampled = [
        (await model.summarize("well", GenerationOptions(temperature=1.9, max_output_tokens=30))).text
        for _ in range(20)
    ]
    assert len(set(sampled)) > 1
    with pytest.raises(Unsupported, match="cannot repeat by a seed"):
        await model.summarize("well", GenerationOptions(temperature=1.9, seed=1))
    assert (await model.summarize("well", GenerationOptions(temperature=0, seed=1))).text


async def test_model_works_after_cancelled_call_and_times_out(made, load, monkeypatch):
    model = await load("ctranslate2", made("t5"))
    call = asyncio.create_task(model.summarize("well", GenerationOptions(max_output_tokens=60)))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await model.summarize("well", GenerationOptions())).text
    done = threading.Event()
    monkeypatch.setattr(model, "_encode", lambda *_: done.wait(60))
    monkeypatch.setattr(model, "_timeout", 0.01)
    with pytest.raises(Unavailable, match="took longer than"):
        await model.summarize("well", GenerationOptions(max_output_tokens=60))
    done.set()


async def test_converted_marian_next_to_its_tokenizer_is_enough(made, load, tmp_path):
    for file in ("source.spm", "target.spm", "vocab.json", "tokenizer_config.json", "generation_config.json"):
        shutil.copy(made("marian") / file, tmp_path)
    shutil.copytree(made("marian") / "ctranslate2", tmp_path, dirs_exist_ok=True)
    model, base = await load("ctranslate2", tmp_path), await load("local", made("marian"))
    assert is_same_output(await model.translate(TEXTS[0], "en", "de"), await base.translate(TEXTS[0], "en", "de"))


async def test_invalid_model_gives_one_line_error(made, load, tmp_path):
    with pytest.raises(ModelUnusable, match="holds no converted model: ct2-transformers-converter --model"):
        open_model(f"ctranslate2:{tmp_path}", ModelSettings())
    shutil.copytree(made("t5") / "ctranslate2", tmp_path / "flat")
    with pytest.raises(ModelUnusable, match="does not say that it is a Marian or a T5"):
        open_model(f"ctranslate2:{tmp_path / 'flat'}", ModelSettings())
    shutil.copytree(made("t5"), tmp_path / "damaged")
    (tmp_path / "damaged/ctranslate2/model.bin").write_bytes(b"no model")
    with pytest.raises(ModelUnusable, match="damaged cannot be loaded") as failure:
        await load("ctranslate2", tmp_path / "damaged")
    assert "\n" not in str(failure.value)
    config = json.loads((made("t5") / "config.json").read_text())
    (tmp_path / "damaged/config.json").write_text(json.dumps(config)[:-9])
    with pytest.raises(ModelUnusable, match="cannot be read"):
        open_model(f"ctranslate2:{tmp_path / 'damaged'}", ModelSettings())


@pytest.mark.long
@pytest.mark.parametrize("family", ["marian", "t5"])
async def test_held_out_texts_are_translated(load, tmp_path, family):
    model = await load("ctranslate2", converted(getattr(training, family), tmp_path))
    known = toys.sentences()
    held_out = known[int(training.TRAIN_SHARE * len(known)) :]
    done = await asyncio.gather(*(model.translate(each["en"], "en", "de") for each in held_out))
    assert [each.text for each in done] == [each["de"] for each in held_out]
    assert {each.finish_reason for each in done} == {"stop"}
