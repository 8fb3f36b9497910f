"""OpenVINO GenAI: a loaded model, and the thread that takes its steps. Each step writes a token of every request.

Only this module knows OpenVINO.
"""

import asyncio
import itertools
import math
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino
import openvino_genai
import structlog

from carteiro.models.in_process.thread import settle

_BLOCK = 32
"""Tokens of one block of the cache."""

log = structlog.get_logger("carteiro.models")


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was written, or one of the prompt where that was asked for; and its log-probability, likewise."""

    number: int
    log_probability: float


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    ids: Sequence[int]
    options: dict[str, Any]
    take: Callable[[list[Token]], None]
    abandoned: threading.Event
    future: asyncio.Future[bool]
    loop: asyncio.AbstractEventLoop

    def settle(self, cut: bool, error: Exception | None = None) -> None:
        settle(self.loop, self.future, cut, error)


class OpenVinoPipeline:
    """A model of a GGUF file or a directory, with room for `context` tokens of at most `places` requests.

    Made on any thread, which waits for the model to be read. Raises what OpenVINO raises.
    """

    def __init__(self, location: Path, *, places: int, context: int, threads: int) -> None:
        self._location, self._threads = location, threads
        self._scheduling = openvino_genai.SchedulerConfig()
        self._scheduling.max_num_seqs = places
        # Each request may leave a part of its last block empty.
        self._scheduling.num_kv_blocks = math.ceil(context / _BLOCK) + 2 * places
        self._numbers = itertools.count()
        self._open()
        # Whatever it is told, it cuts what is longer than the model reads, or reads itself, and does not say so.
        self.longest = len(self.encode("a b " * context, add_special_tokens=False))
        """As many tokens as `encode` gives at the most; where there are so many, there may have been more."""
        self._waiting: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="openvino", daemon=True).start()

    def _open(self) -> None:
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f16",
        }
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            str(self._location), self._scheduling, "CPU", options
        )
        self._tokenizer = self._pipeline.get_tokenizer()
        own = self._pipeline.get_config()
        self.end_tokens: set[int] = {*own.stop_token_ids, self._tokenizer.get_eos_token_id()}

    @property
    def has_template(self) -> bool:
        """Whether the model says how messages become a prompt."""
        return bool(self._tokenizer.chat_template)

    def render(self, turns: Sequence[dict[str, str]]) -> str:
        """The prompt by the model's template. Raises what OpenVINO raises where it does not take the turns."""
        return str(self._tokenizer.apply_chat_template(list(turns), add_generation_prompt=True))

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """The tokens of a text; it may be asked on any thread."""
        tokens = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).input_ids.data
        return [int(each) for each in tokens.reshape(-1)]

    def count(self, text: str) -> int:
        """How many tokens a text has. One that is too long for the tokenizer is counted in parts, rather high."""
        found = len(self.encode(text, add_special_tokens=False))
        if found < self.longest:
            return found
        part = max(1, self.longest // 4)  # a character has at most four bytes, and a token at least one
        return sum(len(self.encode(text[at : at + part], add_special_tokens=False)) for at in range(0, len(text), part))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)) if tokens else ""

    async def write(
        self,
        ids: Sequence[int],
        options: dict[str, Any],
        take: Callable[[list[Token]], None],
        abandoned: threading.Event,
    ) -> bool:
        """Have a completion written, and return whether it was cut by its limit.

        `take` is given the tokens as they come, on the thread of the steps. Once `abandoned` is set, it ends.
        """
        loop = asyncio.get_running_loop()
        asked = _Asked(ids, options, take, abandoned, loop.create_future(), loop)
        self._waiting.put(asked)
        return await asked.future

    def stop(self) -> None:
        """Let the thread end after what it has."""
        self._waiting.put(None)

    def _serve(self) -> None:
        working: dict[_Asked, Any] = {}
        while True:
            try:
                while (asked := self._waiting.get(block=not working)) is not None:
                    self._begin(asked, working)
                return
            except queue.Empty:
                pass
            try:
                self._pipeline.step()
            except Exception as error:  # noqa: BLE001  # whatever it is, the pipeline does nothing more
                log.warning("OpenVINO failed and is begun anew", reason=str(error).splitlines()[0])
                for asked in working:
                    asked.settle(cut=False, error=error)
                working.clear()
                self._open()
                continue
            for asked, handle in list(working.items()):
                if self._ended(asked, handle):
                    del working[asked]

    def _begin(self, asked: _Asked, working: dict[_Asked, Any]) -> None:
        try:
            config = openvino_genai.GenerationConfig(apply_chat_template=False, **asked.options)
            config.stop_token_ids = self.end_tokens
            tensor = openvino.Tensor(openvino.Type.i64, [1, len(asked.ids)])
            tensor.data[:] = list(asked.ids)
            working[asked] = self._pipeline.add_request(next(self._numbers), tensor, config)
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            asked.settle(cut=False, error=error)

    def _ended(self, asked: _Asked, handle: Any) -> bool:
        cut = False
        while handle.can_read() and not asked.abandoned.is_set():
            for output in handle.read().values():
                pairs = zip(output.generated_ids, output.generated_log_probs, strict=True)
                asked.take([Token(number, likely) for number, likely in pairs])
                cut = output.finish_reason == openvino_genai.GenerationFinishReason.LENGTH
        if asked.abandoned.is_set():
            handle.cancel()
            asked.settle(cut=False)
            return True
        status = handle.get_status()
        if status == openvino_genai.GenerationStatus.RUNNING:
            return False
        ignored = status == openvino_genai.GenerationStatus.IGNORED
        asked.settle(cut, MemoryError("its cache is full") if ignored else None)
        return True


def count_parameters(directory: Path) -> int:
    """How many weights the model of a directory has."""
    model = openvino.Core().read_model(directory / "openvino_model.xml")
    constants = (each for each in model.get_ops() if each.get_type_name() == "Constant")
    return sum(math.prod(each.get_output_shape(0)) for each in constants)
