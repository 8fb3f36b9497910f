"""T5 and Marian through CTranslate2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import ctranslate2

from carteiro.models.errors import ModelUnusable, Unsupported
from carteiro.models.interface import Model
from carteiro.models.local.checkpoints.config_files import read_config, read_json
from carteiro.models.local.checkpoints.context_length import max_context_tokens
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.inference.engine_model import DirectoryModel
from carteiro.models.local.seq2seq.routes import Route
from carteiro.models.local.seq2seq.seq2seq_model import (
    GeneratedText,
    Seq2SeqModel,
    Summarizer,
    Translator,
    select_by_ability,
)
from carteiro.models.local.text_generation.defaults import DEFAULT_OUTPUT_TOKENS, TOP_K, is_sampled
from carteiro.models.prompt import GenerationOptions

_CONVERTED_FOLDER = "ctranslate2"
_MODEL_FILE = "model.bin"
_MODEL_TYPES = ("marian", "t5")
_MAX_BATCH_TOKENS = 2048
"""Maximum number of tokens of one batch, padding included."""
_COMMON_PARAMETERS = {"length_penalty", "no_repeat_ngram_size", "repetition_penalty"}
"""Parameters with the same name in Transformers and CTranslate2."""


def open_model(name: str, source: str, timeout: float, threads: int) -> Model:
    """Return the model of a directory, not yet loaded.

    The directory is in the format of Transformers, with the converted model in its folder `ctranslate2`. For Marian, it
    may instead contain the converted model next to the tokenizer files, which are enough. `timeout` bounds one call, in
    seconds.

    Raise `ModelUnusable` if the directory has no converted model, or the model is neither Marian nor T5.
    """
    directory = Path(source).expanduser()
    if (directory / _CONVERTED_FOLDER / _MODEL_FILE).is_file():
        converted, config = directory / _CONVERTED_FOLDER, read_config(directory)
    elif (directory / _MODEL_FILE).is_file():
        marian = str(read_json(directory, "tokenizer_config.json").get("tokenizer_class", "")).startswith("Marian")
        converted, config = directory, SimpleNamespace(model_type="marian" if marian else None)
    else:
        raise ModelUnusable(
            f"{directory} holds no converted model: ct2-transformers-converter --model {directory} "
            f"--output_dir {directory / _CONVERTED_FOLDER}"
        )
    if config.model_type not in _MODEL_TYPES:
        raise ModelUnusable(
            f"{directory} does not say that it is a Marian or a T5, which this engine runs: put the converted model "
            f"into the folder {_CONVERTED_FOLDER} of the directory that it was made from"
        )
    kinds: dict[str, type[_CTranslate2Model]] = {
        "summarizes": _CTranslate2Summarizer,
        "translates": _CTranslate2Translator,
        "both": _CTranslate2SummarizerTranslator,
    }
    return select_by_ability(config, **kinds)(name, directory, converted, config, timeout, threads)


@dataclass(frozen=True, slots=True)
class _CTranslate2Input:
    """A text as tokens, and the parameters of `translate_batch` for it."""

    tokens: list[str]
    parameters: Mapping[str, Any]
    has_forced_eos: bool
    batch_key: None = None


class _CTranslate2Model(DirectoryModel, Seq2SeqModel):
    def __init__(
        self, name: str, directory: Path, converted_directory: Path, config: Any, timeout: float, threads: int
    ) -> None:
        super().__init__(name, directory, config, timeout, threads)
        self._converted_directory = converted_directory
        self._task_specific_params = getattr(config, "task_specific_params", None)

    def _load_weights(self) -> None:
        super()._load_weights()
        self._after_load()

    def _after_load(self) -> None:
        self._generation_config = read_json(self._directory, "generation_config.json")
        self._max_input_tokens = self.context_tokens = max_context_tokens(self._config, self._tokenizer)
        self._engine = ctranslate2.Translator(str(self._converted_directory), device="cpu", intra_threads=self._threads)
        self._batcher = Batcher(
            self.name, self._thread, self._generate, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    def _encode(self, text: str, route: Route) -> list[int]:
        return list(self._tokenizer(route.prefix + text)["input_ids"])

    def _make_input(self, ids: list[int], route: Route, options: GenerationOptions) -> _CTranslate2Input:
        own = {
            name: value for name, value in {**self._generation_config, **route.parameters}.items() if value is not None
        }
        forced = "forced_eos_token_id" in own
        max_tokens = int(own.get("max_length") or 0) - 1  # Transformers counts the start token of the decoder
        if options.max_output_tokens is not None or max_tokens < 1:
            max_tokens = min(options.max_output_tokens or DEFAULT_OUTPUT_TOKENS, self._max_input_tokens - 1)
        min_tokens = int(own.get("min_length") or 0)
        parameters: dict[str, Any] = {name: own[name] for name in _COMMON_PARAMETERS & own.keys()} | {
            "beam_size": own.get("num_beams") or 1,
            "max_decoding_length": max(1, max_tokens - forced),
            # A minimum above the length of the text would make the model invent text.
            "min_decoding_length": 0 if min_tokens > len(ids) else min_tokens,
        }
        # Marian configurations forbid the padding token, which the converted model does not have.
        if forbidden := [each for each in own.get("bad_words_ids") or () if each != [self._tokenizer.pad_token_id]]:
            parameters["suppress_sequences"] = [self._tokenizer.convert_ids_to_tokens(each) for each in forbidden]
        if is_sampled(options.temperature):
            if options.seed is not None:
                # The engine reads a seed only when its threads start.
                raise Unsupported(f"{self.name} cannot repeat by a seed what it draws: ask without seed or temperature")
            parameters |= {"beam_size": 1, "sampling_topk": TOP_K, "sampling_temperature": options.temperature}
            parameters |= {} if options.top_p is None else {"sampling_topp": options.top_p}
        return _CTranslate2Input(self._tokenizer.convert_ids_to_tokens(ids), parameters, forced)

    def _generate(self, rows: Sequence[_CTranslate2Input], cancelled: Event) -> list[GeneratedText]:
        parameters = dict(rows[0].parameters)
        if parameters["beam_size"] == 1:
            parameters["callback"] = lambda _: cancelled.is_set()
        results = self._engine.translate_batch(
            [row.tokens for row in rows],
            return_end_token=True,
            max_input_length=0,  # otherwise the engine cuts texts of more than 1024 tokens
            max_batch_size=0,  # the rows are already one batch
            **parameters,
        )
        return [self._decode_output(row, result.hypotheses[0]) for row, result in zip(rows, results, strict=True)]

    def _decode_output(self, row: _CTranslate2Input, tokens: list[str]) -> GeneratedText:
        ended = bool(tokens) and tokens[-1] == self._tokenizer.eos_token
        text = self._tokenizer.decode(self._tokenizer.convert_tokens_to_ids(tokens), skip_special_tokens=True).strip()
        # Transformers counts the end token that it forces after the last token, so it is counted here too.
        return GeneratedText(text, "stop" if ended else "length", len(tokens) + (row.has_forced_eos and not ended))


class _CTranslate2Summarizer(Summarizer, _CTranslate2Model):
    """Encoder-decoder that summarizes."""


class _CTranslate2Translator(Translator, _CTranslate2Model):
    """Encoder-decoder that translates."""


class _CTranslate2SummarizerTranslator(_CTranslate2Summarizer, _CTranslate2Translator):
    """Encoder-decoder that summarizes and translates, by a prefix for each."""
