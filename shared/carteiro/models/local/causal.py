"""Causal language models (GPT-style) through Transformers."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from transformers import AutoModelForCausalLM

from carteiro.models.failures import InvalidPrompt, PromptTooLarge
from carteiro.models.interface import Completion, Message, Prompt, Ranking
from carteiro.models.local.generation import COLD, DEFAULT_OUTPUT_TOKENS, Abandoned, StopTexts
from carteiro.models.local.grammar import Grammar
from carteiro.models.local.resident import ResidentModel
from carteiro.models.stop_texts import cut_at_stop
from carteiro.schemas import Usage


class CausalModel(ResidentModel):
    """A causal language model: completes prompts, and ranks continuations of a text."""

    auto_class = AutoModelForCausalLM

    def _ready(self) -> None:
        self._grammar = Grammar(self._tokenizer, self._end_tokens)

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `InvalidPrompt`, `Unavailable`."""
        return await self._on_thread(lambda abandoned: self._complete(prompt, abandoned))

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        return await self._on_thread(lambda abandoned: self._rank(text, continuations, abandoned))

    def _complete(self, prompt: Prompt, abandoned: threading.Event) -> Completion:
        ids = torch.tensor([self._encode(prompt.messages)])
        prompt_tokens = ids.shape[1]
        room = self.context_tokens - prompt_tokens
        if room < 1:
            raise self._too_large(prompt_tokens)
        criteria: list[Any] = [Abandoned(abandoned)]
        if prompt.stop:
            criteria.append(StopTexts(self._tokenizer, prompt_tokens, prompt.stop))
        processors = [self._grammar.follow(prompt.json_schema, prompt_tokens)] if prompt.json_schema else []
        sampling: dict[str, Any] = {"do_sample": False}
        if prompt.temperature and prompt.temperature > COLD:
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
