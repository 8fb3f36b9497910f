"""Completions that follow a JSON Schema: tokens that violate it are never chosen."""

from functools import cached_property
from typing import Any

import llguidance
import llguidance.hf
import numpy
import torch
from transformers import LogitsProcessor

from carteiro.models.errors import Unsupported
from carteiro.models.local.text_generation.json_grammar import schema_grammar, unsupported_schema


class GrammarCompiler:
    """Compiles JSON Schemas to grammars for one tokenizer, with llguidance, which OpenAI's API also uses."""

    def __init__(self, tokenizer: Any, end_tokens: list[int]) -> None:
        self._source_tokenizer, self._end_tokens = tokenizer, end_tokens

    @cached_property
    def _tokenizer(self) -> llguidance.LLTokenizer:
        try:
            return llguidance.hf.from_tokenizer(self._source_tokenizer, eos_token=self._end_tokens)
        except ValueError as error:
            raise Unsupported(f"json_schema cannot be followed with this model's tokenizer: {error}") from None

    def logits_processor(self, schema: dict[str, Any], prompt_tokens: int) -> LogitsProcessor:
        """Return the logits processor that keeps one completion inside the schema.

        Raise `InvalidPrompt` if llguidance does not support the schema, and `Unsupported` for the tokenizer.
        """
        matcher = llguidance.LLMatcher(self._tokenizer, schema_grammar(schema), log_level=0)
        if matcher.is_error():
            raise unsupported_schema(matcher.get_error())
        return _GrammarLogitsProcessor(matcher, prompt_tokens)


class _GrammarLogitsProcessor(LogitsProcessor):  # type: ignore[misc]
    def __init__(self, matcher: llguidance.LLMatcher, prompt_tokens: int) -> None:
        self._matcher = matcher
        self._consumed_tokens = prompt_tokens

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for token in input_ids[0, self._consumed_tokens :].tolist():
            self._matcher.consume_token(token)
        self._consumed_tokens = input_ids.shape[1]
        bits = numpy.frombuffer(self._matcher.compute_bitmask(), dtype=numpy.uint8)
        # A model may have more outputs than its tokenizer has tokens; the extra outputs are never allowed.
        allowed = torch.zeros(scores.shape[-1], dtype=torch.uint8)
        known = torch.from_numpy(numpy.unpackbits(bits, bitorder="little")[: scores.shape[-1]])
        allowed[: len(known)] = known
        return scores.masked_fill(allowed.to(scores.device) == 0, float("-inf"))
