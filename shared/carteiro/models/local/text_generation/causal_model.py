"""Completions and rankings by causal language models (GPT-style), the same for all engines."""

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from carteiro.models.errors import PromptTooLarge, Unsupported
from carteiro.models.file_support import reject_files
from carteiro.models.local.inference.in_process_model import InProcessModel
from carteiro.models.local.text_generation.chat_template import (
    render_prompt,
    thinking_variables,
    without_end_token,
    without_roles,
)
from carteiro.models.local.text_generation.completion import make_completion
from carteiro.models.local.text_generation.defaults import DEFAULT_OUTPUT_TOKENS, SMALL_OUTPUT_TOKENS
from carteiro.models.local.text_generation.detokenizer import IncrementalDetokenizer, thread_safe_callback
from carteiro.models.local.text_generation.stop_condition import StopCondition
from carteiro.models.local.text_generation.token_sequence import TokenSampler, TokenSequence
from carteiro.models.local.text_generation.tool_call_text import shown_stops, with_tool_calls
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState, start_state_after_prompt
from carteiro.models.results import Completion, Ranking
from carteiro.models.tool_support import reject_tools
from carteiro.schemas import Usage


class CausalModel(InProcessModel):
    """A causal language model: it completes prompts, streams their text, and ranks continuations of a text.

    A subclass implements the abstract methods for its engine. It sets `_has_template`, `_special_tokens` (the texts
    that only a template may write), `_end_tokens` (they end a text) and `_calls_tools` when it loads the model.
    """

    _follows_schemas = True
    """False if the engine cannot follow a JSON Schema."""
    _calls_tools = False
    """True if the chat template describes tools, and `with_tool_calls` reads the calls that it asks for."""
    _has_template: bool
    _special_tokens: Collection[str]
    _end_tokens: list[int]

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt.

        Raise `PromptTooLarge`, `InvalidPrompt`, `Unavailable`, or `Unsupported` for a JSON Schema that the engine
        cannot follow.
        """
        return await self._generate(prompt, None)

    async def stream(self, prompt: Prompt, on_text: Callable[[str], None]) -> Completion:
        """Complete the prompt and call `on_text` with each piece of the text. Raise as `complete` does."""
        with thread_safe_callback(on_text) as send_text:
            return await self._generate(prompt, send_text)

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Return the log-probability of each continuation. Raise `PromptTooLarge` or `Unavailable`."""
        # Text and continuation are encoded together, because some tokenizers put a space before every text.
        texts = [text, *(text + continuation for continuation in continuations)]
        prefix, *sequences = await self._on_thread(lambda _: [self._text_token_ids(each) for each in texts])
        if (longest := max(map(len, sequences))) > self.context_tokens:
            raise self._prompt_too_large(longest)
        return await self._rank(prefix, sequences)

    @abstractmethod
    async def _generate(self, prompt: Prompt, on_text: Callable[[str], object] | None) -> Completion:
        """Complete the prompt. `on_text` may be called on any thread."""

    @abstractmethod
    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        """Return the log-probability of each sequence after the tokens that it has in common with the prefix."""

    @abstractmethod
    def _render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], variables: Mapping[str, Any]) -> str:
        """Return the prompt by the chat template, with more variables. Raise `TemplateRejection` if it does not take
        the messages.
        """

    @abstractmethod
    def _tokenize(self, text: str, *, is_rendered: bool) -> list[int]:
        """Return the tokens of a text. A rendered prompt has its special tokens already."""

    def _encode(self, prompt: Prompt) -> tuple[list[int], ReasoningState]:
        """Return the tokens of the prompt and the reasoning state after them. Raise `Unsupported` for files."""
        reject_files(prompt, self.name)
        if prompt.json_schema and not self._follows_schemas:
            raise Unsupported(f"{self.name} cannot follow a json_schema: take a local: or llamacpp: model")
        if not self._calls_tools:
            reject_tools(prompt, self.name, "a model whose chat template asks for calls in <tool_call>, such as Qwen's")
        if not self._has_template:
            return self._text_token_ids(without_roles(prompt.messages)), ReasoningState.ANSWER
        render = partial(self._render, variables=thinking_variables(prompt.reasoning))
        text = render_prompt(self.name, prompt, self._special_tokens, render)
        # A grammar allows no reasoning.
        state = ReasoningState.ANSWER if prompt.json_schema else start_state_after_prompt(text)
        return self._tokenize(text, is_rendered=True), state

    def _text_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a plain text, without the end token that some tokenizers add."""
        return without_end_token(self._tokenize(text, is_rendered=False), self._end_tokens)

    def _output_limit(self, prompt: Prompt, tokens: int) -> int:
        """Return the maximum tokens to write after a prompt of `tokens` tokens. Raise `PromptTooLarge` if none fits."""
        if tokens >= self.context_tokens:
            raise self._prompt_too_large(tokens)
        small = self.is_small and prompt.json_schema is None and not prompt.tools
        default = SMALL_OUTPUT_TOKENS if small else DEFAULT_OUTPUT_TOKENS
        return min(prompt.max_output_tokens or default, self.context_tokens - tokens)

    def _prompt_too_large(self, tokens: int) -> PromptTooLarge:
        return PromptTooLarge(
            f"the prompt has {tokens} tokens; {self.name} reads {self.context_tokens}, its completion included"
        )


class TokenCausalModel(CausalModel):
    """A causal language model of an engine that gives the tokens of a completion, not only its text."""

    _stops_on_repetition = False
    """True if a completion without a schema ends when it repeats itself."""

    @abstractmethod
    async def _write(self, sequence: TokenSequence, prompt: Prompt) -> None:
        """Append the tokens of the completion, until the sequence or the engine ends it."""

    @abstractmethod
    def _decode(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens, without special tokens."""

    def _make_sampler(self, prompt: Prompt, prompt_tokens: int) -> TokenSampler | None:  # noqa: ARG002
        """Return the sampler of one completion; None if the engine chooses the tokens."""
        return None

    async def _generate(self, prompt: Prompt, on_text: Callable[[str], object] | None) -> Completion:
        sequence = await self._on_thread(lambda _: self._make_sequence(prompt, on_text))
        await self._write(sequence, prompt)
        usage = Usage(input_tokens=len(sequence.prompt_ids), output_tokens=len(sequence.output_ids))
        completion = make_completion(
            self._decode(sequence.output_ids),
            sequence.finish_reason or "stop",
            usage,
            self.count_tokens,
            prompt.stop,
            sequence.start_state,
        )
        return with_tool_calls(completion, prompt)

    def _make_sequence(self, prompt: Prompt, on_text: Callable[[str], object] | None) -> TokenSequence:
        ids, start_state = self._encode(prompt)
        max_new_tokens = self._output_limit(prompt, len(ids))
        return TokenSequence(
            prompt_ids=ids,
            max_new_tokens=max_new_tokens,
            sampler=self._make_sampler(prompt, len(ids)),
            start_state=start_state,
            end_tokens=self._end_tokens,
            stop_condition=StopCondition(self._decode, prompt.stop, start_state),
            # Valid JSON may repeat itself; stopping there would cut it in the middle.
            stop_on_repetition=self._stops_on_repetition and not (prompt.json_schema or prompt.tools),
            detokenizer=IncrementalDetokenizer(self._decode, shown_stops(prompt), on_text, start_state)
            if on_text
            else None,
        )
