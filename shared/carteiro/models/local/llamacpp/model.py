"""Causal language models in GGUF files through llama.cpp."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from carteiro.models.answer_stream import AnswerStream
from carteiro.models.errors import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.interface import Model
from carteiro.models.json_output import compact_json
from carteiro.models.local.checkpoints.checkpoint import find_checkpoint
from carteiro.models.local.checkpoints.gguf_header import read_header
from carteiro.models.local.inference.engine_model import EngineModel
from carteiro.models.local.inference.in_process_model import SMALL_MODEL_PARAMETERS
from carteiro.models.local.inference.token_budget import MAX_CONTEXT_TOKENS, MAX_SLOTS, TokenBudget
from carteiro.models.local.llamacpp.server import LlamaServer
from carteiro.models.local.text_generation.causal_model import CausalModel
from carteiro.models.local.text_generation.chat_template import TemplateRejection
from carteiro.models.local.text_generation.completion import make_completion
from carteiro.models.local.text_generation.defaults import TOP_K, is_sampled
from carteiro.models.local.text_generation.json_grammar import with_compact_whitespace
from carteiro.models.local.text_generation.likelihood import TokenPrediction, token_predictions
from carteiro.models.local.text_generation.tool_call_text import (
    shown_stops,
    template_has_tools,
    with_tool_calls,
)
from carteiro.models.local.text_generation.whitespace import WhitespaceTrimmer
from carteiro.models.prompt import Prompt
from carteiro.models.reasoning import ReasoningState
from carteiro.models.results import Completion, Ranking
from carteiro.schemas import FinishReason, Usage

_TOP_LOGPROBS = 1000
"""Number of likeliest tokens to search first; if a token is not among them, the whole vocabulary is searched."""

_Event = dict[str, Any]


def _discard_text(_: str) -> None:
    """Do nothing with the text."""


def open_model(name: str, source: str, timeout: float, threads: int) -> Model:
    """Return the model of a GGUF file, or the packaged model, not yet loaded. `timeout` bounds one call, in seconds.

    Raise `ModelUnusable` if the file does not exist.
    """
    file = find_checkpoint(source).gguf_path
    if file is None:
        raise ModelUnusable(f"{source} is no GGUF file, and llama.cpp reads only GGUF files")
    return LlamaCppModel(name, file, timeout, threads)


class LlamaCppModel(EngineModel, CausalModel):
    """A model in a GGUF file. It completes many prompts at once, streams the text, and ranks continuations."""

    def __init__(self, name: str, file: Path, timeout: float, threads: int) -> None:
        super().__init__(name, str(file), timeout)
        self._file, self._threads = file, threads

    def _load_weights(self) -> None:
        header = read_header(self._file)
        self._has_template, self._special_tokens = header.has_template, header.special_tokens
        self._calls_tools = template_has_tools(header.template)
        self._end_tokens, self._vocabulary_size = list(header.end_tokens), header.vocabulary_size
        self.context_tokens = min(header.context_tokens, MAX_CONTEXT_TOKENS)
        self.is_small = header.parameter_count < SMALL_MODEL_PARAMETERS
        self._token_budget = TokenBudget(MAX_SLOTS, self.context_tokens)
        self._server = LlamaServer(
            self.name, self._file, slots=MAX_SLOTS, context_tokens=self.context_tokens, threads=self._threads
        )

    async def _load(self) -> None:
        await super()._load()
        await self._server.connect()

    async def close(self) -> None:
        """Cancel the completions in progress and stop the engine."""
        if self._is_loaded:
            await self._token_budget.cancel()
            await self._server.disconnect()
            await self._thread.run(lambda _: self._server.stop())
        await super().close()

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text by the model's tokenizer, without special tokens."""
        return len(self._server.tokenize(text, add_special=False, parse_special=False))

    async def stream(self, prompt: Prompt, on_text: Callable[[str], None]) -> Completion:
        """Complete the prompt and call `on_text` with each piece of the text. Raise as `complete` does."""
        return await self._generate(prompt, WhitespaceTrimmer(on_text))

    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        wanted: dict[tuple[int, ...], set[int]] = {}
        own = token_predictions(prefix, sequences)
        for step in (step for each in own for step in each):
            wanted.setdefault(step.context, set()).add(step.token)
        found: dict[TokenPrediction, float] = {}
        for context, tokens in wanted.items():
            log_probabilities = await self._next_log_probabilities(context, tokens)
            found |= {TokenPrediction(context, token): log_probabilities[token] for token in tokens}
        # The last token of a sequence is predicted, not read, and equal rows are read once.
        input_tokens = sum(map(len, {tuple(sequence[:-1]) for sequence in sequences}))
        return Ranking([sum(found[step] for step in each) for each in own], Usage(input_tokens=input_tokens))

    async def _generate(self, prompt: Prompt, on_text: Callable[[str], object] | None) -> Completion:
        ids, start_state = await self._on_thread(lambda _: self._encode(prompt))
        answer_stream = AnswerStream(shown_stops(prompt), on_text or _discard_text, start_state)
        max_tokens = self._output_limit(prompt, len(ids))
        body: dict[str, Any] = {
            "prompt": ids,
            "n_predict": max_tokens,
            # The engine would also stop at a stop text within the reasoning.
            "stop": list(prompt.stop) if start_state is ReasoningState.ANSWER else [],
            "temperature": prompt.temperature if is_sampled(prompt.temperature) else 0.0,
            "top_k": TOP_K,
            "top_p": prompt.top_p or 1.0,
            "min_p": 0.0,
        }
        if prompt.seed is not None:
            # Cached values of another request were computed in other batches and differ in the last bits.
            body |= {"seed": prompt.seed % 2**32, "cache_prompt": False}
        if prompt.json_schema:
            body["json_schema"] = with_compact_whitespace(prompt.json_schema)
        pieces: list[str] = []

        def on_event(event: _Event) -> None:
            if piece := event.get("content"):
                pieces.append(piece)
                answer_stream.add(piece)

        last = await self._run_within_budget(
            len(ids) + max_tokens, lambda cancelled: self._consume_events(body, on_event, cancelled)
        )
        usage = Usage(input_tokens=len(ids), output_tokens=last["tokens_predicted"])
        reason: FinishReason = "length" if last["stop_type"] == "limit" else "stop"
        answer_stream.end(cut=reason == "length")
        completion = await asyncio.to_thread(
            make_completion, "".join(pieces), reason, usage, self.count_tokens, prompt.stop, start_state
        )
        return with_tool_calls(completion, prompt)

    async def _run_within_budget(self, tokens: int, work: Callable[[Event], Coroutine[Any, Any, _Event]]) -> _Event:
        with self._translate_errors():
            return await self._token_budget.run(work, tokens, self._timeout)

    async def _consume_events(
        self, body: dict[str, Any], on_event: Callable[[_Event], None], cancelled: Event
    ) -> _Event:
        async with contextlib.aclosing(self._server.stream_completion(body)) as events:
            async for event in events:
                self._raise_engine_error(event)
                if cancelled.is_set():
                    break
                on_event(event)
                if event.get("stop"):
                    return event
        raise Unavailable(f"the model {self.name} stopped in the middle of a completion")

    async def _next_log_probabilities(self, context: Sequence[int], tokens: set[int]) -> dict[int, float]:
        """Return the log-probability of each token directly after the context."""
        for count in (_TOP_LOGPROBS, self._vocabulary_size):
            body = {"prompt": list(context), "n_predict": 1, "temperature": 0.0, "n_probs": count}
            answer = await self._run_within_budget(
                len(context) + 1,
                lambda _, body=body: self._server.complete(body),  # type: ignore[misc]
            )
            self._raise_engine_error(answer)
            log_probabilities = {
                each["id"]: each["logprob"] for each in answer["completion_probabilities"][0]["top_logprobs"]
            }
            if tokens <= log_probabilities.keys():
                break
        return log_probabilities

    def _render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], variables: Mapping[str, Any]) -> str:
        for call in (call for message in messages for call in message.get("tool_calls", ())):
            call["function"]["arguments"] = compact_json(call["function"]["arguments"])
        conversation = {"messages": messages, **({"tools": tools} if tools else {})}
        answer = self._server.apply_template(conversation, variables)
        if "prompt" not in answer:
            raise TemplateRejection(str(answer["error"].get("message")))
        return str(answer["prompt"])

    def _tokenize(self, text: str, *, is_rendered: bool) -> list[int]:
        return self._server.tokenize(text, add_special=True, parse_special=is_rendered)

    def _raise_engine_error(self, answer: _Event) -> None:
        """Raise the error in the engine's answer, if it has one."""
        error = answer.get("error")
        if error is None:
            return
        message = str(error.get("message", "")).splitlines()[0]
        if error.get("type") == "exceed_context_size_error":
            raise PromptTooLarge(f"{self.name}: {message}")
        error_class = InvalidPrompt if error.get("code") == 400 else Unavailable
        raise error_class(f"the model {self.name} failed: {message}")
