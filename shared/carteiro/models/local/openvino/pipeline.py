"""OpenVINO GenAI: a loaded model, and the thread that runs its steps. A step writes one token of every request.

Only this module uses OpenVINO.
"""

import asyncio
import itertools
import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openvino
import openvino_genai
import structlog

from carteiro.models.local.inference.thread import resolve_future

_BLOCK_TOKENS = 32
"""Number of tokens in one block of the cache."""

log = structlog.get_logger("carteiro.models")


@dataclass(frozen=True, slots=True)
class ScoredToken:
    """A token of the output, or of the prompt if the options echo it, and its log-probability if requested."""

    token_id: int
    log_probability: float


@dataclass(frozen=True, slots=True, eq=False)
class _GenerationRequest:
    token_ids: Sequence[int]
    options: dict[str, Any]
    on_tokens: Callable[[list[ScoredToken]], None]
    cancelled: threading.Event
    future: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop

    def resolve(self, error: Exception | None = None) -> None:
        resolve_future(self.loop, self.future, None, error)


class OpenVinoPipeline:
    """A model of a GGUF file or a directory, with a cache for `context_tokens` tokens of at most `slots` requests.

    The constructor may be called on any thread and blocks until the model is loaded. Raise what OpenVINO raises.
    """

    def __init__(self, location: Path, *, slots: int, context_tokens: int, threads: int) -> None:
        self._location, self._threads = location, threads
        self._scheduler_config = openvino_genai.SchedulerConfig()
        self._scheduler_config.max_num_seqs = slots
        # A request may leave a part of its last block empty, so there are additional blocks.
        self._scheduler_config.num_kv_blocks = math.ceil(context_tokens / _BLOCK_TOKENS) + 2 * slots
        self._request_ids = itertools.count()
        self._create_pipeline()
        # The tokenizer silently cuts texts above a limit of the model or of its own, and no option prevents it.
        self.max_encoded_tokens = len(self.encode("a b " * context_tokens, add_special_tokens=False))
        """Maximum number of tokens that `encode` returns. A result of this length may be cut."""
        self._waiting: queue.SimpleQueue[_GenerationRequest | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, name="openvino", daemon=True).start()

    def _create_pipeline(self) -> None:
        options = {
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f16",
        }
        self._pipeline = openvino_genai.ContinuousBatchingPipeline(
            str(self._location), self._scheduler_config, "CPU", options
        )
        self._tokenizer = self._pipeline.get_tokenizer()
        own = self._pipeline.get_config()
        self.end_tokens: set[int] = {*own.stop_token_ids, self._tokenizer.get_eos_token_id()}

    @property
    def has_template(self) -> bool:
        """True if the model has a chat template."""
        return bool(self._tokenizer.chat_template)

    def apply_chat_template(self, messages: Sequence[dict[str, str]], variables: Mapping[str, Any]) -> str:
        """Return the prompt by the model's template, with more variables. Raise what OpenVINO raises if it rejects
        them.
        """
        more = {"extra_context": dict(variables)} if variables else {}
        return str(self._tokenizer.apply_chat_template(list(messages), add_generation_prompt=True, **more))

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        """Return the tokens of a text, at most `max_encoded_tokens`. May be called on any thread."""
        tokens = self._tokenizer.encode(text, add_special_tokens=add_special_tokens).input_ids.data
        return [int(each) for each in tokens.reshape(-1)]

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of a text.

        A text that is too long for the tokenizer is counted in parts, which gives a slightly higher number.
        """
        found = len(self.encode(text, add_special_tokens=False))
        if found < self.max_encoded_tokens:
            return found
        part = max(1, self.max_encoded_tokens // 4)  # a character has at most 4 bytes, and a token at least 1
        return sum(len(self.encode(text[at : at + part], add_special_tokens=False)) for at in range(0, len(text), part))

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of the tokens, without special tokens."""
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)) if tokens else ""

    async def generate(
        self,
        ids: Sequence[int],
        options: dict[str, Any],
        on_tokens: Callable[[list[ScoredToken]], None],
        cancelled: threading.Event,
    ) -> None:
        """Generate a completion.

        `on_tokens` gets the new tokens, on the thread of the steps. The completion ends when `cancelled` is set.
        """
        loop = asyncio.get_running_loop()
        request = _GenerationRequest(ids, options, on_tokens, cancelled, loop.create_future(), loop)
        self._waiting.put(request)
        await request.future

    def stop(self) -> None:
        """Stop the thread after its current requests."""
        self._waiting.put(None)

    def _run(self) -> None:
        working: dict[_GenerationRequest, Any] = {}
        while True:
            try:
                while (request := self._waiting.get(block=not working)) is not None:
                    self._add_request(request, working)
                return
            except queue.Empty:
                pass
            try:
                self._pipeline.step()
            except Exception as error:  # noqa: BLE001  # the pipeline is unusable after any error
                log.warning("OpenVINO failed and is restarted", reason=str(error).splitlines()[0])
                for request in working:
                    request.resolve(error)
                working.clear()
                self._create_pipeline()
                continue
            for active, handle in list(working.items()):
                if self._poll(active, handle):
                    del working[active]

    def _add_request(self, request: _GenerationRequest, working: dict[_GenerationRequest, Any]) -> None:
        try:
            config = openvino_genai.GenerationConfig(apply_chat_template=False, **request.options)
            config.stop_token_ids = self.end_tokens
            tensor = openvino.Tensor(openvino.Type.i64, [1, len(request.token_ids)])
            tensor.data[:] = list(request.token_ids)
            working[request] = self._pipeline.add_request(next(self._request_ids), tensor, config)
        except Exception as error:  # noqa: BLE001  # the error belongs to the caller
            request.resolve(error)

    def _poll(self, request: _GenerationRequest, handle: Any) -> bool:
        while handle.can_read() and not request.cancelled.is_set():
            for output in handle.read().values():
                scored = zip(output.generated_ids, output.generated_log_probs, strict=True)
                request.on_tokens([ScoredToken(token_id, log_probability) for token_id, log_probability in scored])
        if request.cancelled.is_set():
            handle.cancel()
            request.resolve()
            return True
        status = handle.get_status()
        if status == openvino_genai.GenerationStatus.RUNNING:
            return False
        ignored = status == openvino_genai.GenerationStatus.IGNORED
        request.resolve(MemoryError("its cache is full") if ignored else None)
        return True


def count_parameters(directory: Path) -> int:
    """Return the number of weights of the model in a directory."""
    model = openvino.Core().read_model(directory / "openvino_model.xml")
    constants = (each for each in model.get_ops() if each.get_type_name() == "Constant")
    return sum(math.prod(each.get_output_shape(0)) for each in constants)
