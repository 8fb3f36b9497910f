"""Models with a question answering head (BERT, RoBERTa, XLNet and others) through Transformers."""

import asyncio
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import AutoModelForQuestionAnswering

from carteiro.models.failures import ModelUnusable, PromptTooLarge
from carteiro.models.in_process.batching import Batcher
from carteiro.models.interface import Reading
from carteiro.models.local.encoding import Encoded, padded
from carteiro.models.local.spans import Span, best_span, whole_characters
from carteiro.models.local.transformers_model import TransformersModel
from carteiro.schemas import Usage

_BUDGET = 4096
"""Most tokens of one batch, padding included."""
_WINDOW = 384
"""Tokens of one window, question included, and how many of the context two windows share: what readers were trained
with (Devlin et al. 2018, arXiv:1810.04805, and Transformers' scripts)."""
_OVERLAP = 128
_AT_ONCE = 16
"""Windows of one request that wait at the same time: a long context does not hold up the short ones."""


@dataclass(frozen=True, slots=True)
class _Window:
    """What the model reads at once, and where its tokens stand in the context (None: not of the context)."""

    encoded: Encoded
    offsets: Sequence[tuple[int, int] | None]
    none: int
    """The token at which the model points where there is no answer."""


@dataclass(frozen=True, slots=True)
class _Found:
    span: Span | None
    none: float


class LocalReader(TransformersModel):
    """Finds the answer to a question in a context of any length, window by window."""

    auto_class = AutoModelForQuestionAnswering

    def _ready(self) -> None:
        if not self._tokenizer.is_fast:
            raise ModelUnusable(f"{self.name} has a tokenizer that does not tell where in a text its tokens stand")
        if self._tokenizer.cls_token_id is None:
            raise ModelUnusable(f"{self.name} has no token that stands for no answer (cls_token)")
        # Models that pad on the left (XLNet) read the context first.
        self._question_first = self._tokenizer.padding_side == "right"
        self._batches = Batcher(self.name, self._thread, self._forward, timeout=self._timeout, budget=_BUDGET)

    async def read(self, question: str, context: str) -> Reading:
        """Find the answer, or that there is none. Raises `PromptTooLarge` for a question that leaves no room.

        A stretch weighs the sum of its start's and its end's logits, no answer the least of its sums over all windows
        (the rule of SQuAD 2.0: Rajpurkar et al. 2018, arXiv:1806.03822); the heavier is taken. The score is the
        logistic function of the difference.
        """
        windows = await self._on_thread(lambda _: self._windows(question, context))
        found: list[_Found] = []
        for first in range(0, len(windows), _AT_ONCE):
            some = windows[first : first + _AT_ONCE]
            found += await asyncio.gather(
                *(self._batches.submit(window, len(window.encoded["input_ids"])) for window in some)
            )
        usage = Usage(input_tokens=sum(len(window.encoded["input_ids"]) for window in windows))
        spans = [each.span for each in found if each.span is not None]
        none = min(each.none for each in found)
        if not spans:
            return Reading(None, None, 0.0, usage)
        best = max(spans, key=lambda span: span.logit)
        score = _logistic(best.logit - none)
        if best.logit <= none:
            return Reading(None, None, score, usage)
        start, end = whole_characters(context, best.start, best.end)
        return Reading(start, end, score, usage)

    def _windows(self, question: str, context: str) -> list[_Window]:
        asked = len(self._tokenizer(question, add_special_tokens=False)["input_ids"])
        specials = self._tokenizer.num_special_tokens_to_add(pair=True)
        length = min(self.context_tokens, max(_WINDOW, asked + specials + _WINDOW // 2))
        room = length - asked - specials
        if room < min(_OVERLAP, self.context_tokens // 4):
            raise PromptTooLarge(f"the question has {asked} tokens; {self.name} reads {self.context_tokens}")
        pair = (question, context) if self._question_first else (context, question)
        encoded = self._tokenizer(
            *pair,
            truncation="only_second" if self._question_first else "only_first",
            max_length=length,
            stride=min(_OVERLAP, room // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        self._tokenizer.backend_tokenizer.no_truncation()
        side = 1 if self._question_first else 0
        windows = []
        for number, ids in enumerate(encoded["input_ids"]):
            of = encoded.sequence_ids(number)
            places = zip(encoded["offset_mapping"][number], of, strict=True)
            windows.append(
                _Window(
                    {name: encoded[name][number] for name in self._tokenizer.model_input_names if name in encoded},
                    [place if which == side else None for place, which in places],
                    # Not one that the text itself has.
                    next(
                        at for at, token in enumerate(ids) if token == self._tokenizer.cls_token_id and of[at] is None
                    ),
                )
            )
        return windows

    def _forward(self, windows: Sequence[_Window], _: threading.Event) -> list[_Found]:
        inputs = padded(self._tokenizer, [window.encoded for window in windows], self._model.device)
        with torch.inference_mode():
            output = self._model(**inputs)
        width = inputs["input_ids"].shape[1]
        found = []
        for window, start, end in zip(
            windows, output.start_logits.float().cpu(), output.end_logits.float().cpu(), strict=True
        ):
            length = len(window.offsets)
            # The row without its padding, which stands on the tokenizer's side.
            row = slice(0, length) if self._question_first else slice(width - length, width)
            none = float(start[row][window.none] + end[row][window.none])
            found.append(_Found(best_span(start[row], end[row], window.offsets), none))
        return found


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
