"""Base class of causal language models with a tokenizer of Transformers."""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import TemplateError

from carteiro.models.local.text_generation.causal_model import TokenCausalModel
from carteiro.models.local.text_generation.chat_template import TemplateRejection
from carteiro.models.local.text_generation.tool_call_text import TOOL_TAGS, template_has_tools
from carteiro.models.reasoning import is_reasoning_tag


class TokenizerCausalModel(TokenCausalModel):
    """A causal language model that encodes and decodes with a tokenizer of Transformers."""

    _tokenizer: Any

    def _read_special_tokens(self, end: int | Sequence[int] | None) -> None:
        """Set what depends on the tokenizer. `end` is the end token of the generation config, or several."""
        self._has_template = bool(self._tokenizer.chat_template)
        special = {n: token.content for n, token in self._tokenizer.added_tokens_decoder.items() if token.special}
        self._special_tokens = special.values()
        templates = self._tokenizer.chat_template
        template = templates.get("tool_use", "") if isinstance(templates, dict) else templates or ""
        self._calls_tools = template_has_tools(template)
        marks = {number for number, text in special.items() if is_reasoning_tag(text) or text in TOOL_TAGS}
        self._skipped_token_ids: set[int] | None = special.keys() - marks if marks else None
        """Special tokens to remove from the text; None if no token marks reasoning or a call: the tokenizer then
        removes all."""
        end = self._tokenizer.eos_token_id if end is None else end
        self._end_tokens = [end] if isinstance(end, int) else list(end or ())

    def _render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], variables: Mapping[str, Any]) -> str:
        options: dict[str, Any] = {**variables, **({"tools": tools} if tools else {})}
        try:
            return str(
                self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
            )
        except TemplateError as error:
            raise TemplateRejection(str(error)) from None

    def _tokenize(self, text: str, *, is_rendered: bool) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=not is_rendered)["input_ids"])

    def _decode(self, tokens: Sequence[int]) -> str:
        if self._skipped_token_ids is None:
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True))
        return str(self._tokenizer.decode([token for token in tokens if token not in self._skipped_token_ids]))
