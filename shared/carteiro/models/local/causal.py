"""Causal language models (GPT-style) through Transformers."""

import asyncio
import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
import torch
from jinja2 import TemplateError

from carteiro.models.failures import PromptTooLarge, Unavailable
from carteiro.models.interface import Completion, Message, Prompt, Ranking
from carteiro.models.local.checkpoint import Checkpoint
from carteiro.models.local.generation import Abandoned, StopTexts, cut_at_stop
from carteiro.models.local.grammar import Grammar
from carteiro.models.local.thread import ModelThread
from carteiro.models.local.weights import load_weights
from carteiro.schemas import Usage

DEFAULT_OUTPUT_TOKENS = 512
"""Most tokens of a completion where the prompt sets no limit of its own."""

_SMALL = 1_000_000_000

T = TypeVar("T")

log = structlog.get_logger("carteiro.models")


class CausalModel:
    """A causal language model: completes prompts, and ranks continuations of a text.

    `timeout` bounds one call, in seconds, the wait for the thread included.
    """

    def __init__(self, name: str, checkpoint: Checkpoint, timeout: float) -> None:
        self.name = name
        self._checkpoint = checkpoint
        self._timeout = timeout
        self._thread = ModelThread(name)
        self._tokenizer: Any = None
        self._counter: Any = None
        self._model: Any = None
        self._grammar: Grammar | None = None
        self._loaded: asyncio.Future[None] | None = None
        self.small = False
        """Whether it has fewer than a billion parameters, once it is loaded."""
        self.context_tokens = 0
        """The positions the model was trained for, once it is loaded."""

    async def load(self) -> None:
        """Read the weights. Several tasks may share the model: it is read once."""
        if self._loaded is None:
            self._loaded = asyncio.ensure_future(self._thread.run(lambda _: self._load()))
        await asyncio.shield(self._loaded)

    def _load(self) -> None:
        log.info("loading the model", model=self.name)
        self._tokenizer, self._model = load_weights(self._checkpoint)
        # `model_max_length` of a tokenizer can be 1e30: only the configuration knows.
        self.context_tokens = int(self._model.config.max_position_embeddings)
        self.small = self._model.num_parameters() < _SMALL
        # A tokenizer serves one thread at a time, and this one is the model thread's.
        self._counter = copy.deepcopy(self._tokenizer.backend_tokenizer)
        self._grammar = Grammar(self._tokenizer, self._end_tokens)
        log.info("the model is loaded", model=self.name, context_tokens=self.context_tokens)

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        return len(self._counter.encode(text, add_special_tokens=False))

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `InvalidPrompt`, `Unavailable`."""
        return await self._within_timeout(lambda abandoned: self._complete(prompt, abandoned))

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        return await self._within_timeout(lambda _: self._rank(text, continuations))

    async def _within_timeout(self, work: Callable[[threading.Event], T]) -> T:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._thread.run(work)
        except TimeoutError:
            raise Unavailable(f"the model {self.name} took longer than {self._timeout:g} s") from None
        except torch.OutOfMemoryError:
            raise Unavailable(f"the model {self.name} ran out of memory") from None

    def _complete(self, prompt: Prompt, abandoned: threading.Event) -> Completion:
        ids = torch.tensor([self._encode(prompt.messages)])
        prompt_tokens = ids.shape[1]
        room = self.context_tokens - prompt_tokens
        if room < 1:
            raise self._too_large(prompt_tokens)
        criteria: list[Any] = [Abandoned(abandoned)]
        if prompt.stop:
            criteria.append(StopTexts(self._tokenizer, prompt_tokens, prompt.stop))
        assert self._grammar is not None
        processors = [self._grammar.follow(prompt.json_schema, prompt_tokens)] if prompt.json_schema else []
        sampling: dict[str, Any] = {"do_sample": False}
        if prompt.temperature:
            sampling = {"do_sample": True, "temperature": prompt.temperature}
            # The thread generates one completion at a time, so the global generator is this completion's own.
            torch.seed() if prompt.seed is None else torch.manual_seed(prompt.seed)
        with torch.inference_mode():
            output = self._model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=min(prompt.max_output_tokens or DEFAULT_OUTPUT_TOKENS, room),
                stopping_criteria=criteria,
                logits_processor=processors,
                pad_token_id=self._end_tokens[0],
                **sampling,
            )
        written = output[0, prompt_tokens:]
        text, stopped = cut_at_stop(self._tokenizer.decode(written, skip_special_tokens=True), prompt.stop)
        ended = stopped or int(written[-1]) in self._end_tokens
        usage = Usage(input_tokens=prompt_tokens, output_tokens=len(written))
        return Completion(text.strip(), "stop" if ended else "length", usage)

    def _rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        prefix = self._tokenizer(text)["input_ids"]
        endings = [self._tokenizer(each, add_special_tokens=False)["input_ids"] for each in continuations]
        longest = max(map(len, endings))
        if len(prefix) + longest > self.context_tokens:
            raise self._too_large(len(prefix) + longest)
        # A token is predicted from those before it, so its own ending's last token is never read: continuations
        # of one token each are all answered by one row. Padding stands to the right, where nothing looks at it.
        starts = {start: row for row, start in enumerate({tuple(ending[:-1]) for ending in endings})}
        rows = torch.tensor([prefix + [*start] + [0] * (longest - 1 - len(start)) for start in starts])
        with torch.inference_mode():
            logits = self._model(rows, logits_to_keep=longest).logits
        likelihood = torch.log_softmax(logits.float(), dim=-1)
        sums = [
            sum(float(likelihood[starts[tuple(ending[:-1])], step, token]) for step, token in enumerate(ending))
            for ending in endings
        ]
        return Ranking(sums, Usage(input_tokens=len(prefix) + sum(map(len, endings))))

    @property
    def _end_tokens(self) -> list[int]:
        end = self._model.generation_config.eos_token_id
        if end is None:
            end = self._tokenizer.eos_token_id
        return [end] if isinstance(end, int) else list(end)

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        if not self._tokenizer.chat_template:
            # A base model continues a text: it has no notion of who speaks.
            return list(self._tokenizer("\n\n".join(message.content for message in messages))["input_ids"])
        try:
            text = self._render(messages)
        except TemplateError:
            text = self._render(_without_system(messages))
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def _too_large(self, tokens: int) -> PromptTooLarge:
        return PromptTooLarge(
            f"the prompt has {tokens} tokens; {self.name} reads {self.context_tokens}, its completion included"
        )


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The same for a template that knows no system message, such as Gemma's: its text opens the user's first."""
    if messages[0].role != "system" or len(messages) < 2:
        return list(messages)
    system, first, *rest = messages
    return [Message(first.role, f"{system.content}\n\n{first.content}"), *rest]
