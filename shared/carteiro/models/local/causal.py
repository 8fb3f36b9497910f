"""Causal language models (GPT-style) through Transformers."""

import asyncio
import copy
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import structlog
import torch
from jinja2 import TemplateError

from carteiro.models.failures import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
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
_COLD = 1e-3
"""Below this temperature, sampling takes the likeliest token anyway, and its division overflows."""

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
        try:
            self._read()
        except ModelUnusable:
            raise
        except Exception as error:
            raise ModelUnusable(f"{self.name} is not a causal model that this service can run: {error!r}") from error
        log.info("the model is loaded", model=self.name, context_tokens=self.context_tokens)

    def _read(self) -> None:
        self._tokenizer, self._model = load_weights(self._checkpoint)
        # `model_max_length` of a tokenizer can be 1e30: only the configuration knows.
        self.context_tokens = int(self._model.config.max_position_embeddings)
        self.small = self._model.num_parameters() < _SMALL
        # A tokenizer serves one thread at a time, and this one is the model thread's.
        self._counter = copy.deepcopy(self._tokenizer.backend_tokenizer)
        self._grammar = Grammar(self._tokenizer, self._end_tokens)

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
        return await self._within_timeout(lambda abandoned: self._rank(text, continuations, abandoned))

    async def _within_timeout(self, work: Callable[[threading.Event], T]) -> T:
        try:
            return await self._thread.run(work, self._timeout)
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
        if prompt.temperature and prompt.temperature > _COLD:
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
                pad_token_id=next(iter(self._end_tokens), 0),
                **sampling,
            )
        written = output[0, prompt_tokens:]
        text, stopped = cut_at_stop(self._tokenizer.decode(written, skip_special_tokens=True), prompt.stop)
        ended = stopped or int(written[-1]) in self._end_tokens
        usage = Usage(input_tokens=prompt_tokens, output_tokens=len(written))
        return Completion(text.strip(), "stop" if ended else "length", usage)

    def _rank(self, text: str, continuations: Sequence[str], abandoned: threading.Event) -> Ranking:
        prefix = self._ids(text)
        # The whole is encoded, not the continuation alone: some tokenizers put a space before every text.
        wholes = [self._ids(text + continuation) for continuation in continuations]
        if (longest := max(map(len, wholes))) > self.context_tokens:
            raise self._too_large(longest)
        read = 0
        sums = []
        seen: dict[tuple[int, ...], torch.Tensor] = {}
        for whole in wholes:
            if abandoned.is_set():
                break
            shared = _shared(prefix, whole)
            # A token is predicted from those before it, so the last one is never read: continuations of one
            # token each are all answered by one row.
            row = tuple(whole[:-1])
            if row not in seen:
                read += len(row)
                with torch.inference_mode():
                    logits = self._model(torch.tensor([row]), logits_to_keep=len(whole) - shared).logits[0]
                seen[row] = torch.log_softmax(logits.float(), dim=-1)
            sums.append(sum(float(seen[row][step, token]) for step, token in enumerate(whole[shared:])))
        return Ranking(sums, Usage(input_tokens=read))

    def _ids(self, text: str) -> list[int]:
        """The tokens of a plain text, without the end that some tokenizers add to it."""
        ids = list(self._tokenizer(text)["input_ids"])
        return ids[:-1] if ids and ids[-1] in self._end_tokens else ids

    @property
    def _end_tokens(self) -> list[int]:
        end = self._model.generation_config.eos_token_id
        if end is None:
            end = self._tokenizer.eos_token_id
        return [end] if isinstance(end, int) else list(end or [])

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        if not self._tokenizer.chat_template:
            # A base model continues a text: it has no notion of who speaks.
            return self._ids("\n\n".join(message.content for message in messages))
        try:
            text = self._render(messages)
        except TemplateError:
            try:
                text = self._render(_without_system(messages))
            except TemplateError as error:
                raise InvalidPrompt(f"the chat template of {self.name} does not take these messages: {error}") from None
        return list(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _render(self, messages: Sequence[Message]) -> str:
        turns = [{"role": message.role, "content": self._harmless(message.content)} for message in messages]
        return str(self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    def _harmless(self, content: str) -> str:
        """The content, with what the template would take for the end of a message broken by a space."""
        for token in self._tokenizer.added_tokens_decoder.values():
            if token.special and token.content in content:
                content = content.replace(token.content, f"{token.content[0]} {token.content[1:]}")
        return content

    def _too_large(self, tokens: int) -> PromptTooLarge:
        return PromptTooLarge(
            f"the prompt has {tokens} tokens; {self.name} reads {self.context_tokens}, its completion included"
        )


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two texts begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((place for place, (left, right) in enumerate(pairs) if left != right), min(len(one), len(other)))


def _without_system(messages: Sequence[Message]) -> list[Message]:
    """The same for a template that knows no system message, such as Gemma's: its text opens the user's first."""
    if messages[0].role != "system" or len(messages) < 2:
        return list(messages)
    system, first, *rest = messages
    return [Message(first.role, f"{system.content}\n\n{first.content}"), *rest]
