"""Summaries and translations of whole texts, with an engine that writes in capitals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unsupported
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.seq2seq.routes import Route
from carteiro.models.local.seq2seq.seq2seq_model import (
    GeneratedText,
    Seq2SeqModel,
    Summarizer,
    Translator,
    select_by_ability,
)
from carteiro.models.prompt import GenerationOptions


@dataclass(frozen=True)
class Words:
    ids: list[int]
    text: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    batch_key: int | None = None


class CapitalsModel(Seq2SeqModel):
    """Engine whose token is a character. It reads 20 of them."""

    _max_input_tokens = 20
    specific: Mapping[str, Any] | None = None
    languages: tuple[str | None, str | None] = ("en", "de")

    def _load_weights(self) -> None:
        self._after_load()

    def _after_load(self) -> None:
        self._task_specific_params = self.specific
        self._config = SimpleNamespace(model_type="fsmt", task_specific_params=None)
        source, target = self.languages
        self._tokenizer = SimpleNamespace(src_lang=source, tgt_lang=target, get_added_vocab=dict)
        self._batcher = Batcher(self.name, self._thread, self._write, timeout=60, max_batch_tokens=1000)

    def count_tokens(self, text: str) -> int:
        return len(text)

    def _encode(self, text: str, route: Route) -> list[int]:
        return [ord(each) for each in route.prefix + text]

    def _make_input(self, ids: list[int], route: Route, _: GenerationOptions) -> Words:
        return Words(ids, "".join(map(chr, ids)), route.parameters)

    def _write(self, rows: Sequence[Words], _: Event) -> list[GeneratedText]:
        return [GeneratedText(row.text.upper(), "stop", len(row.ids)) for row in rows]


class CapitalsSummarizer(Summarizer, CapitalsModel): ...


class CapitalsTranslator(Translator, CapitalsModel): ...


async def test_summary_has_the_prefix_of_the_configuration() -> None:
    model = CapitalsSummarizer("x", "x", 60)
    model.specific = {"summarization": {"prefix": "sum: "}}
    await model.load()
    done = await model.summarize("a text", GenerationOptions())
    assert (done.text, done.usage.input_tokens) == ("SUM: A TEXT", 11)
    assert model.context_tokens == 15
    with pytest.raises(PromptTooLarge, match="has 21 tokens; x reads 20"):
        await model.summarize("a" * 16, GenerationOptions())
    await model.close()


async def test_long_lines_are_translated_in_parts_and_the_white_space_is_kept() -> None:
    model = CapitalsTranslator("x", "x", 60)
    await model.load()
    text = "  one line\n\nanother, much longer line of words\n"
    done = await model.translate(text, None, "de")
    assert done.text == text.upper()
    assert (done.source, done.finish_reason) == ("en", "stop")
    assert (await model.translate(text, "en", "de")).usage.input_tokens > 0
    with pytest.raises(Unsupported):
        await model.translate(text, "en", "fr")
    await model.close()


async def test_translator_without_languages_is_rejected() -> None:
    model = CapitalsTranslator("x", "x", 60)
    model.languages = (None, None)
    with pytest.raises(ModelUnusable, match="does not say which languages it translates"):
        await model.load()
    await model.close()


@pytest.mark.parametrize(
    ("model_type", "tasks", "ability"),
    [
        ("bart", {}, "summarizes"),
        ("t5", {"summarization": {}}, "summarizes"),
        ("t5", {"translation_en_to_de": {}}, "translates"),
        ("t5", {"summarization": {}, "translation_en_to_de": {}}, "both"),
        ("marian", {"summarization": {}}, "translates"),
    ],
)
def test_ability_follows_the_configuration(model_type: str, tasks: Mapping[str, Any], ability: str) -> None:
    config = SimpleNamespace(model_type=model_type, task_specific_params=tasks)
    found = select_by_ability(config, summarizes="summarizes", translates="translates", both="both")
    assert found == ability
