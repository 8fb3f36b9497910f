"""Causal language models in GGUF files through llama.cpp."""

import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from carteiro.models.engines.engine import EngineModel
from carteiro.models.engines.gguf_header import read_header
from carteiro.models.engines.llama_server import LlamaServer
from carteiro.models.engines.pool import MOST_CONTEXT, PLACES, Pool
from carteiro.models.failures import InvalidPrompt, ModelUnusable, PromptTooLarge, Unavailable
from carteiro.models.in_process.chat_template import refused, turns, without_roles, without_system
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.in_process.defaults import COLD, TOP
from carteiro.models.in_process.json_grammar import compact
from carteiro.models.in_process.likelihood import Step, steps
from carteiro.models.in_process.model import SMALL
from carteiro.models.in_process.stripping import Stripping
from carteiro.models.interface import Completion, Message, Model, Prompt, Ranking
from carteiro.schemas import Usage

_LIKELIEST = 1000
"""How many of the likeliest tokens are looked through, before all are."""

_Event = dict[str, Any]


def open_model(name: str, where: str, timeout: float, threads: int) -> Model:
    """The model of a GGUF file, or the packaged one, not yet loaded. Raises `ModelUnusable`."""
    file = find_checkpoint(where).gguf_path
    if file is None:
        raise ModelUnusable(f"{where} is no GGUF file, and llama.cpp reads nothing else")
    return LlamaModel(name, file, timeout, threads)


class LlamaModel(EngineModel):
    """A GGUF file: completes prompts, many at once, shows what it writes, and ranks continuations of a text."""

    def __init__(self, name: str, file: Path, timeout: float, threads: int) -> None:
        super().__init__(name, str(file), timeout)
        self._file, self._threads = file, threads

    def _open(self) -> None:
        self._header = read_header(self._file)
        self.context_tokens = min(self._header.context_tokens, MOST_CONTEXT)
        self.small = self._header.parameters < SMALL
        self._server = LlamaServer(
            self.name, self._file, places=PLACES, context=self.context_tokens, threads=self._threads
        )

    async def _load(self) -> None:
        await super()._load()
        self._pool = Pool(PLACES, self.context_tokens)
        await self._server.connect()

    async def close(self) -> None:
        """End what is being written, and the engine."""
        if self._loaded is not None and self._loaded.done() and not self._loaded.exception():
            await self._pool.cancel()
            await self._server.disconnect()
            await self._thread.run(lambda _: self._server.stop())
        await super().close()

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        answer = self._server.post_now("/tokenize", {"content": text, "add_special": False, "parse_special": False})
        return len(answer["tokens"])

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `InvalidPrompt`, `Unavailable`."""
        return await self._complete(prompt, lambda _: None)

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """Complete the prompt; `say` is given the text as it is written. Raises as `complete` does."""
        return await self._complete(prompt, Stripping(say).add)

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        prefix, *wholes = [await self._ids(each) for each in (text, *(text + end for end in continuations))]
        if (longest := max(map(len, wholes))) > self.context_tokens:
            raise self._too_large(longest)
        wanted: dict[tuple[int, ...], set[int]] = {}
        own = steps(prefix, wholes)
        for step in (step for each in own for step in each):
            wanted.setdefault(step.before, set()).add(step.token)
        found: dict[Step, float] = {}
        for before, tokens in wanted.items():
            likely = await self._next(before, tokens)
            found |= {Step(before, token): likely[token] for token in tokens}
        # The last token of each is never read, and what several begin with is read once.
        read = sum(map(len, {tuple(whole[:-1]) for whole in wholes}))
        return Ranking([sum(found[step] for step in each) for each in own], Usage(input_tokens=read))

    async def _complete(self, prompt: Prompt, add: Callable[[str], None]) -> Completion:
        ids = await self._encode(prompt.messages)
        most = self._room(prompt, len(ids))
        hot = prompt.temperature is not None and prompt.temperature > COLD
        body: dict[str, Any] = {
            "prompt": ids,
            "n_predict": most,
            "stop": list(prompt.stop),
            "temperature": prompt.temperature if hot else 0.0,
            "top_k": TOP,
            "top_p": 1.0,
            "min_p": 0.0,
        }
        if prompt.seed is not None:
            # What was read for another request, in other batches, differs in the last bits.
            body |= {"seed": prompt.seed % 2**32, "cache_prompt": False}
        if prompt.json_schema:
            body["json_schema"] = compact(prompt.json_schema)
        written: list[str] = []

        def take(event: _Event) -> None:
            if piece := event.get("content"):
                written.append(piece)
                add(piece)

        last = await self._write(body, len(ids) + most, take)
        usage = Usage(input_tokens=len(ids), output_tokens=last["tokens_predicted"])
        return Completion("".join(written).strip(), "length" if last["stop_type"] == "limit" else "stop", usage)

    async def _write(self, body: dict[str, Any], tokens: int, take: Callable[[_Event], None]) -> _Event:
        """Have a completion written, and return its last event. It stops soon after its caller has gone."""
        abandoned = threading.Event()
        try:
            return await self._within(tokens, lambda: self._events(body, take, abandoned))
        finally:
            abandoned.set()

    async def _within(self, tokens: int, work: Callable[[], Coroutine[Any, Any, _Event]]) -> _Event:
        with self._told():
            return await self._pool.run(work, tokens, self._timeout)

    async def _events(self, body: dict[str, Any], take: Callable[[_Event], None], abandoned: threading.Event) -> _Event:
        async with contextlib.aclosing(self._server.events(body)) as events:
            async for event in events:
                self._check(event)
                if abandoned.is_set():
                    break
                take(event)
                if event.get("stop"):
                    return event
        raise Unavailable(f"the model {self.name} stopped in the middle of a completion")

    async def _next(self, before: Sequence[int], tokens: set[int]) -> dict[int, float]:
        """How likely each token is right after those before it: its log-probability."""
        for among in (_LIKELIEST, self._header.vocabulary):
            body = {"prompt": list(before), "n_predict": 1, "temperature": 0.0, "n_probs": among}
            answer = await self._within(len(before) + 1, partial(self._server.post, "/completion", body))
            self._check(answer)
            likely = {each["id"]: each["logprob"] for each in answer["completion_probabilities"][0]["top_logprobs"]}
            if tokens <= likely.keys():
                break
        return likely

    async def _encode(self, messages: Sequence[Message]) -> list[int]:
        if not self._header.has_template:
            return await self._ids(without_roles(messages))
        for given in (messages, without_system(messages)):
            answer = await self._server.post("/apply-template", {"messages": turns(given, self._header.special)})
            if "prompt" in answer:
                return await self._ids(answer["prompt"], templated=True)
        raise refused(self.name, str(answer["error"].get("message")).splitlines()[-1])

    async def _ids(self, text: str, *, templated: bool = False) -> list[int]:
        """The tokens of a text, without the end that some tokenizers add to it."""
        given = {"content": text, "add_special": True, "parse_special": templated}
        ids: list[int] = (await self._server.post("/tokenize", given))["tokens"]
        return ids[:-1] if ids and ids[-1] in self._header.end_tokens and not templated else ids

    def _check(self, answer: _Event) -> None:
        """Raise what the engine says went wrong, if it says so."""
        error = answer.get("error")
        if error is None:
            return
        said = str(error.get("message", "")).splitlines()[0]
        if error.get("type") == "exceed_context_size_error":
            raise PromptTooLarge(f"{self.name}: {said}")
        kind = InvalidPrompt if error.get("code") == 400 else Unavailable
        raise kind(f"the model {self.name} failed: {said}")
