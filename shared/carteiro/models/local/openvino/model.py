"""Causal language models through OpenVINO GenAI: GGUF files, and directories exported by Optimum."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.local.checkpoints.config_files import read_config, read_json
from carteiro.models.local.checkpoints.context_length import configured_context_tokens
from carteiro.models.local.checkpoints.gguf_header import read_header
from carteiro.models.local.inference.engine_model import EngineModel
from carteiro.models.local.inference.in_process_model import SMALL_MODEL_PARAMETERS
from carteiro.models.local.inference.token_budget import MAX_CONTEXT_TOKENS, MAX_SLOTS, TokenBudget
from carteiro.models.local.openvino.pipeline import OpenVinoPipeline, ScoredToken, count_parameters
from carteiro.models.local.text_generation.causal_model import TokenCausalModel
from carteiro.models.local.text_generation.chat_template import TemplateRejection
from carteiro.models.local.text_generation.defaults import TOP_K, is_sampled
from carteiro.models.local.text_generation.likelihood import common_prefix_length
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.prompt import Prompt
from carteiro.models.results import Ranking
from carteiro.schemas import Usage


def open_model(name: str, source: str, timeout: float, threads: int) -> Model:
    """Return the model of a GGUF file or a directory, not yet loaded. `timeout` bounds one call, in seconds.

    Raise `ModelUnusable` if it does not exist.
    """
    checkpoint = find_checkpoint(source)
    location = checkpoint.gguf_path or Path(checkpoint.location).expanduser()
    if checkpoint.gguf_path is None and not (location / "openvino_model.xml").is_file():
        raise ModelUnusable(
            f"{location} holds no model for OpenVINO (openvino_model.xml): optimum-cli export openvino makes one"
        )
    return OpenVinoModel(name, location, timeout, threads)


class OpenVinoModel(EngineModel, TokenCausalModel):
    """Completes many prompts at once, streams the text, and ranks continuations of a text."""

    # The engine supports grammars, but a schema that it cannot follow ends all completions in progress.
    _follows_schemas = False

    def __init__(self, name: str, location: Path, timeout: float, threads: int) -> None:
        super().__init__(name, str(location), timeout)
        self._path, self._threads = location, threads

    def _load_weights(self) -> None:
        if self._path.is_file():
            header = read_header(self._path)
            limit: int | None = header.context_tokens
            parameters, self._special_tokens = header.parameter_count, header.special_tokens
        else:
            limit, parameters = configured_context_tokens(read_config(self._path)), count_parameters(self._path)
            added = read_json(self._path, "tokenizer_config.json").get("added_tokens_decoder", {}).values()
            self._special_tokens = frozenset(each["content"] for each in added if each.get("special"))
        if limit is None:
            raise ModelUnusable(f"{self._path} does not say how many tokens it reads (max_position_embeddings)")
        self.context_tokens, self.is_small = min(limit, MAX_CONTEXT_TOKENS), parameters < SMALL_MODEL_PARAMETERS
        self._pipeline = OpenVinoPipeline(
            self._path, slots=MAX_SLOTS, context_tokens=self.context_tokens, threads=self._threads
        )
        self.context_tokens = min(self.context_tokens, self._pipeline.max_encoded_tokens)
        self._has_template, self._end_tokens = self._pipeline.has_template, list(self._pipeline.end_tokens)
        self._token_budget = TokenBudget(MAX_SLOTS, self.context_tokens)

    async def close(self) -> None:
        """Stop the threads."""
        if self._is_loaded:
            self._pipeline.stop()
        await super().close()

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text by the model's tokenizer, without special tokens."""
        return self._pipeline.count_tokens(text)

    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        outputs = await asyncio.gather(*map(self._score_tokens, sequences))
        sums = [
            sum(each.log_probability for each in tokens[common_prefix_length(prefix, sequence) : len(sequence)])
            for sequence, tokens in zip(sequences, outputs, strict=True)
        ]
        return Ranking(sums, Usage(input_tokens=sum(map(len, sequences))))

    async def _score_tokens(self, ids: Sequence[int]) -> list[ScoredToken]:
        """Return the tokens with their log-probabilities, and one more token."""
        tokens: list[ScoredToken] = []
        # The engine cannot only read a prompt, so it also writes one token.
        options = {"echo": True, "logprobs": 1, "max_new_tokens": 1}
        await self._run(ids, options, lambda more, _: tokens.extend(more))
        return tokens

    async def _write(self, sequence: TokenSequence, prompt: Prompt) -> None:
        options: dict[str, Any] = {"max_new_tokens": sequence.max_new_tokens}
        if is_sampled(prompt.temperature):
            options |= {"do_sample": True, "temperature": prompt.temperature, "top_k": TOP_K}
            if prompt.top_p is not None:
                options["top_p"] = prompt.top_p
            if prompt.seed is not None:
                options["rng_seed"] = prompt.seed % 2**31

        def on_tokens(more: Sequence[ScoredToken], cancelled: Event) -> None:
            for each in more:
                if not sequence.is_finished:
                    sequence.append(each.token_id)
            if sequence.is_finished:
                cancelled.set()

        await self._run(sequence.prompt_ids, options, on_tokens)
        sequence.end()

    async def _run(
        self, ids: Sequence[int], options: dict[str, Any], on_tokens: Callable[[Sequence[ScoredToken], Event], None]
    ) -> None:
        """Run a request when the token budget has room for all its tokens."""
        with self._translate_errors():
            await self._token_budget.run(
                lambda cancelled: self._pipeline.generate(
                    ids, options, lambda more: on_tokens(more, cancelled), cancelled
                ),
                len(ids) + options["max_new_tokens"],
                self._timeout,
            )

    def _render(
        self,
        messages: list[dict[str, Any]],
        tools: list[dict[str, Any]],  # noqa: ARG002
        variables: Mapping[str, Any],
    ) -> str:
        try:
            return self._pipeline.apply_chat_template(messages, variables)
        except Exception as error:  # noqa: BLE001  # OpenVINO has no error class of its own for this
            raise TemplateRejection(str(error)) from None

    def _tokenize(self, text: str, *, is_rendered: bool) -> list[int]:
        ids = self._pipeline.encode(text, add_special_tokens=not is_rendered)
        if len(ids) >= self.context_tokens:  # the tokenizer may have cut the text
            raise self._prompt_too_large(self._pipeline.count_tokens(text))
        return ids

    def _decode(self, tokens: Sequence[int]) -> str:
        return self._pipeline.decode(tokens)
