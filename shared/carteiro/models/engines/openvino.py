"""Causal language models through OpenVINO GenAI: GGUF files, and directories that optimum exported."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from carteiro.models.engines.directory import read_config, read_json
from carteiro.models.engines.engine import EngineModel
from carteiro.models.engines.gguf_header import read_header
from carteiro.models.engines.openvino_pipeline import OpenVinoPipeline, Token, count_parameters
from carteiro.models.engines.pool import MOST_CONTEXT, PLACES, Pool
from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.chat_template import refused, turns, without_roles, without_system
from carteiro.models.in_process.checkpoint import find_checkpoint
from carteiro.models.in_process.defaults import COLD, TOP
from carteiro.models.in_process.likelihood import shared
from carteiro.models.in_process.limits import stated_limit
from carteiro.models.in_process.model import SMALL
from carteiro.models.in_process.showing import Showing, on_this_loop
from carteiro.models.interface import Completion, Message, Model, Prompt, Ranking
from carteiro.models.stop_texts import StopTexts, cut_at_stop
from carteiro.schemas import Usage


def open_model(name: str, where: str, timeout: float, threads: int) -> Model:
    """The model of a GGUF file or of a directory, not yet loaded. Raises `ModelUnusable`."""
    checkpoint = find_checkpoint(where)
    location = checkpoint.gguf_path or Path(checkpoint.location).expanduser()
    if checkpoint.gguf_path is None and not (location / "openvino_model.xml").is_file():
        raise ModelUnusable(
            f"{location} holds no model for OpenVINO (openvino_model.xml): optimum-cli export openvino makes one"
        )
    return OpenVinoModel(name, location, timeout, threads)


class OpenVinoModel(EngineModel):
    """Completes prompts, many at once, shows what it writes, and ranks continuations of a text."""

    def __init__(self, name: str, location: Path, timeout: float, threads: int) -> None:
        super().__init__(name, str(location), timeout)
        self._path, self._threads = location, threads

    def _open(self) -> None:
        if self._path.is_file():
            header = read_header(self._path)
            limit: int | None = header.context_tokens
            parameters, self._special = header.parameters, header.special
        else:
            limit, parameters = stated_limit(read_config(self._path)), count_parameters(self._path)
            added = read_json(self._path, "tokenizer_config.json").get("added_tokens_decoder", {}).values()
            self._special = frozenset(each["content"] for each in added if each.get("special"))
        if limit is None:
            raise ModelUnusable(f"{self._path} does not say how many tokens it reads (max_position_embeddings)")
        self.context_tokens, self.small = min(limit, MOST_CONTEXT), parameters < SMALL
        self._pipeline = OpenVinoPipeline(self._path, places=PLACES, context=self.context_tokens, threads=self._threads)
        self.context_tokens = min(self.context_tokens, self._pipeline.longest)

    async def _load(self) -> None:
        await super()._load()
        self._pool = Pool(PLACES, self.context_tokens)

    async def close(self) -> None:
        """Let the threads end."""
        if self._loaded is not None and self._loaded.done() and not self._loaded.exception():
            self._pipeline.stop()
        await super().close()

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        return self._pipeline.count(text)

    async def complete(self, prompt: Prompt) -> Completion:
        """Complete the prompt. Raises `PromptTooLarge`, `Unsupported` for a JSON Schema, `Unavailable`."""
        return await self._complete(prompt, None)

    async def stream(self, prompt: Prompt, say: Callable[[str], None]) -> Completion:
        """Complete the prompt; `say` is given the text as it is written. Raises as `complete` does."""
        with on_this_loop(say) as tell:
            return await self._complete(prompt, tell)

    async def rank(self, text: str, continuations: Sequence[str]) -> Ranking:
        """Compare continuations. Raises `PromptTooLarge`, `Unavailable`."""
        texts = [text, *(text + continuation for continuation in continuations)]
        prefix, *wholes = await self._on_thread(lambda _: [self._ids(each) for each in texts])
        # A token is written besides, because the engine knows no reading alone.
        options = {"echo": True, "logprobs": 1, "max_new_tokens": 1}
        read = await asyncio.gather(*(self._write(whole, options, 1) for whole in wholes))
        sums = [
            sum(each.log_probability for each in tokens[shared(prefix, whole) : len(whole)])
            for whole, (tokens, _) in zip(wholes, read, strict=True)
        ]
        return Ranking(sums, Usage(input_tokens=sum(map(len, wholes))))

    async def _complete(self, prompt: Prompt, say: Callable[[str], object] | None) -> Completion:
        # It has a grammar, and a schema that this cannot follow ends all that is being written.
        self._refuse_schema(prompt)
        ids = await self._on_thread(lambda _: self._encode(prompt.messages))
        most = self._room(prompt, len(ids))
        options: dict[str, Any] = {"max_new_tokens": most}
        if prompt.temperature is not None and prompt.temperature > COLD:
            options |= {"do_sample": True, "temperature": prompt.temperature, "top_k": TOP}
            if prompt.seed is not None:
                options["rng_seed"] = prompt.seed % 2**31
        showing = Showing(self._pipeline.decode, prompt.stop, say) if say else None
        stops = StopTexts(self._pipeline.decode, prompt.stop)
        tokens, cut = await self._write(ids, options, most, showing, stops)
        written = [each.number for each in tokens]
        text, _ = cut_at_stop(self._pipeline.decode(written), prompt.stop)
        usage = Usage(input_tokens=len(ids), output_tokens=len(written))
        return Completion(text.strip(), "length" if cut else "stop", usage)

    async def _write(
        self,
        ids: Sequence[int],
        options: dict[str, Any],
        most: int,
        showing: Showing | None = None,
        stops: StopTexts | None = None,
    ) -> tuple[list[Token], bool]:
        """The tokens that the engine wrote, and whether it was cut; in its turn, with room for all of them."""
        tokens: list[Token] = []
        abandoned = threading.Event()

        def take(more: list[Token]) -> None:
            tokens.extend(more)
            written = [each.number for each in tokens]
            if showing:
                showing.add(written)
            if stops and stops.reached(written):
                abandoned.set()

        try:
            with self._told():
                cut = await self._pool.run(
                    lambda: self._pipeline.write(ids, options, take, abandoned), len(ids) + most, self._timeout
                )
        finally:
            abandoned.set()
        if showing:
            showing.end([each.number for each in tokens])
        return tokens, cut

    def _encode(self, messages: Sequence[Message]) -> list[int]:
        if not self._pipeline.has_template:
            return self._ids(without_roles(messages))
        reason: Exception | None = None
        for given in (messages, without_system(messages)):
            try:
                text = self._pipeline.render(turns(given, self._special))
            except Exception as error:  # noqa: BLE001  # OpenVINO has no class of its own for it
                reason = error
            else:
                return self._fitting(text, self._pipeline.encode(text, add_special_tokens=False))
        raise refused(self.name, str(reason).splitlines()[-1])

    def _ids(self, text: str) -> list[int]:
        """The tokens of a plain text, without the end that some tokenizers add to it."""
        ids = self._fitting(text, self._pipeline.encode(text, add_special_tokens=True))
        return ids[:-1] if ids and ids[-1] in self._pipeline.end_tokens else ids

    def _fitting(self, text: str, ids: list[int]) -> list[int]:
        """The tokens, where one more fits. Raises `PromptTooLarge`."""
        if len(ids) >= self.context_tokens:
            raise self._too_large(self._pipeline.count(text))
        return ids
