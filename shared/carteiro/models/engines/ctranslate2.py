"""T5 and Marian through CTranslate2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import ctranslate2

from carteiro.models.engines.directory import read_config, read_json
from carteiro.models.engines.directory_model import DirectoryModel
from carteiro.models.failures import ModelUnusable, Unsupported
from carteiro.models.in_process.batching import Batcher
from carteiro.models.in_process.defaults import COLD, DEFAULT_OUTPUT_TOKENS, TOP
from carteiro.models.in_process.limits import most_tokens
from carteiro.models.in_process.rewriting import Rewriter, Summarizer, Translator, Written, by_ability
from carteiro.models.in_process.routes import Route
from carteiro.models.interface import Model, Writing

_CONVERTED = "ctranslate2"
_FILE = "model.bin"
_TYPES = ("marian", "t5")
_BUDGET = 2048
"""Most tokens of one batch, padding included."""
_SAME = {"length_penalty", "no_repeat_ngram_size", "repetition_penalty"}
"""What Transformers and CTranslate2 call alike."""


def open_model(name: str, where: str, timeout: float, threads: int) -> Model:
    """The model of a directory, not yet loaded. Raises `ModelUnusable`.

    It is a directory of Transformers with the converted model in its folder `ctranslate2`; or the converted model
    itself beside the files of a Marian tokenizer, which say all that there is to know.
    """
    directory = Path(where).expanduser()
    if (directory / _CONVERTED / _FILE).is_file():
        converted, config = directory / _CONVERTED, read_config(directory)
    elif (directory / _FILE).is_file():
        marian = str(read_json(directory, "tokenizer_config.json").get("tokenizer_class", "")).startswith("Marian")
        converted, config = directory, SimpleNamespace(model_type="marian" if marian else None)
    else:
        raise ModelUnusable(
            f"{directory} holds no converted model: ct2-transformers-converter --model {directory} "
            f"--output_dir {directory / _CONVERTED}"
        )
    if config.model_type not in _TYPES:
        raise ModelUnusable(
            f"{directory} does not say that it is a Marian or a T5, which this engine runs: put the converted model "
            f"into the folder {_CONVERTED} of the directory that it was made from"
        )
    kinds: dict[str, type[_Model]] = {"summarizes": _Summarizes, "translates": _Translates, "both": _Both}
    return by_ability(config, **kinds)(name, directory, converted, config, timeout, threads)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A text as tokens, and how `translate_batch` is to be called for it."""

    tokens: list[str]
    parameters: Mapping[str, Any]
    forced_end: bool
    alone: None = None


class _Model(DirectoryModel, Rewriter):
    def __init__(self, name: str, directory: Path, converted: Path, config: Any, timeout: float, threads: int) -> None:
        super().__init__(name, directory, config, timeout, threads)
        self._converted = converted
        self._own = getattr(config, "task_specific_params", None)

    def _open(self) -> None:
        super()._open()
        self._ready()

    def _ready(self) -> None:
        self._generation = read_json(self._directory, "generation_config.json")
        self._reads = self.context_tokens = most_tokens(self._config, self._tokenizer)
        self._engine = ctranslate2.Translator(str(self._converted), device="cpu", intra_threads=self._threads)
        self._batches = Batcher(self.name, self._thread, self._generate, timeout=self._timeout, budget=_BUDGET)

    def _encode(self, text: str, route: Route) -> list[int]:
        return list(self._tokenizer(route.prefix + text)["input_ids"])

    def _asked(self, ids: list[int], route: Route, writing: Writing) -> _Asked:
        own = {name: value for name, value in {**self._generation, **route.parameters}.items() if value is not None}
        forced = "forced_eos_token_id" in own
        most = int(own.get("max_length") or 0) - 1  # the token that starts the decoder counts there
        if writing.max_output_tokens is not None or most < 1:
            most = min(writing.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self._reads - 1)
        least = int(own.get("min_length") or 0)
        parameters: dict[str, Any] = {name: own[name] for name in _SAME & own.keys()} | {
            "beam_size": own.get("num_beams") or 1,
            "max_decoding_length": max(1, most - forced),
            # More than there is to say.
            "min_decoding_length": 0 if least > len(ids) else least,
        }
        # Marian's padding, which Transformers must be told never to write, is no token of the converted model.
        if never := [each for each in own.get("bad_words_ids") or () if each != [self._tokenizer.pad_token_id]]:
            parameters["suppress_sequences"] = [self._tokenizer.convert_ids_to_tokens(each) for each in never]
        if writing.temperature is not None and writing.temperature > COLD:
            if writing.seed is not None:
                # It reads a seed when its threads begin, and never again.
                raise Unsupported(f"{self.name} cannot repeat by a seed what it draws: ask without seed or temperature")
            parameters |= {"beam_size": 1, "sampling_topk": TOP, "sampling_temperature": writing.temperature}
        return _Asked(self._tokenizer.convert_ids_to_tokens(ids), parameters, forced)

    def _generate(self, rows: Sequence[_Asked], abandoned: Event) -> list[Written]:
        parameters = dict(rows[0].parameters)
        if parameters["beam_size"] == 1:
            parameters["callback"] = lambda _: abandoned.is_set()
        results = self._engine.translate_batch(
            [row.tokens for row in rows],
            return_end_token=True,
            max_input_length=0,  # or it would cut what is longer than 1024
            max_batch_size=0,  # the rows are a batch already
            **parameters,
        )
        return [self._written(row, result.hypotheses[0]) for row, result in zip(rows, results, strict=True)]

    def _written(self, row: _Asked, tokens: list[str]) -> Written:
        ended = bool(tokens) and tokens[-1] == self._tokenizer.eos_token
        text = self._tokenizer.decode(self._tokenizer.convert_tokens_to_ids(tokens), skip_special_tokens=True).strip()
        # The end that Transformers forces after the last token is counted, and is none that the model wrote.
        return Written(text, "stop" if ended else "length", len(tokens) + (row.forced_end and not ended))


class _Summarizes(Summarizer, _Model):
    """Summarizes."""


class _Translates(Translator, _Model):
    """Translates."""


class _Both(_Summarizes, _Translates):
    """Summarizes and translates, each by its prefix."""
