"""Models with a question answering head (BERT, RoBERTa, XLNet and others) through Transformers."""

import asyncio
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import AutoModelForQuestionAnswering

from carteiro.models.errors import ModelUnusable, PromptTooLarge
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.spans import AnswerSpan, best_span, snap_to_characters
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.results import ExtractedAnswer
from carteiro.schemas import Usage

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""
_WINDOW_TOKENS = 384
"""Tokens of one window, question included. The models were trained with it (Devlin et al. 2018, arXiv:1810.04805)."""
_STRIDE_TOKENS = 128
"""Tokens of the context that two neighbouring windows share, as in the same training."""
_MAX_CONCURRENT_WINDOWS = 16
"""Maximum number of windows of one request in the queue, so that a long context does not delay short ones."""


@dataclass(frozen=True, slots=True)
class _ContextWindow:
    """One input of the model, and the characters of its tokens in the context (None: not part of the context)."""

    encoded: EncodedText
    offsets: Sequence[tuple[int, int] | None]
    null_index: int
    """Index of the token that the model points at if there is no answer."""


@dataclass(frozen=True, slots=True)
class _WindowAnswer:
    span: AnswerSpan | None
    null_score: float


class LocalQuestionAnsweringModel(TransformersModel):
    """Extracts the answer to a question from a context of any length, window by window."""

    auto_class = AutoModelForQuestionAnswering

    def _after_load(self) -> None:
        if not self._tokenizer.is_fast:
            raise ModelUnusable(f"{self.name} has a tokenizer that does not tell where in a text its tokens stand")
        if self._tokenizer.cls_token_id is None:
            raise ModelUnusable(f"{self.name} has no token that stands for no answer (cls_token)")
        # Models that pad on the left (XLNet) read the context first.
        self._question_first = self._tokenizer.padding_side == "right"
        self._batcher = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def find_answer(self, question: str, context: str) -> ExtractedAnswer:
        """Return the answer, or an empty answer if the context has none.

        The score of a span is the sum of its start and end logits. The score of no answer is its lowest sum over all
        windows (the rule of SQuAD 2.0: Rajpurkar et al. 2018, arXiv:1806.03822). The higher score wins. The returned
        score is the logistic function of the difference.

        Raise `PromptTooLarge` if the question leaves no room for the context, and `Unavailable`.
        """
        windows = await self._on_thread(lambda _: self._split_windows(question, context))
        found: list[_WindowAnswer] = []
        for first in range(0, len(windows), _MAX_CONCURRENT_WINDOWS):
            chunk = windows[first : first + _MAX_CONCURRENT_WINDOWS]
            found += await asyncio.gather(
                *(self._batcher.submit(window, len(window.encoded["input_ids"])) for window in chunk)
            )
        usage = Usage(input_tokens=sum(len(window.encoded["input_ids"]) for window in windows))
        spans = [each.span for each in found if each.span is not None]
        null_score = min(each.null_score for each in found)
        if not spans:
            return ExtractedAnswer(None, None, 0.0, usage)
        best = max(spans, key=lambda span: span.logit)
        score = _logistic(best.logit - null_score)
        if best.logit <= null_score:
            return ExtractedAnswer(None, None, score, usage)
        start, end = snap_to_characters(context, best.start, best.end)
        return ExtractedAnswer(start, end, score, usage)

    def _split_windows(self, question: str, context: str) -> list[_ContextWindow]:
        question_tokens = len(self._tokenizer(question, add_special_tokens=False)["input_ids"])
        specials = self._tokenizer.num_special_tokens_to_add(pair=True)
        length = min(self.context_tokens, max(_WINDOW_TOKENS, question_tokens + specials + _WINDOW_TOKENS // 2))
        room = length - question_tokens - specials
        if room < min(_STRIDE_TOKENS, self.context_tokens // 4):
            raise PromptTooLarge(f"the question has {question_tokens} tokens; {self.name} reads {self.context_tokens}")
        pair = (question, context) if self._question_first else (context, question)
        encoded = self._tokenizer(
            *pair,
            truncation="only_second" if self._question_first else "only_first",
            max_length=length,
            stride=min(_STRIDE_TOKENS, room // 2),
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        self._tokenizer.backend_tokenizer.no_truncation()
        side = 1 if self._question_first else 0
        windows = []
        for number, ids in enumerate(encoded["input_ids"]):
            sides = encoded.sequence_ids(number)
            offsets = zip(encoded["offset_mapping"][number], sides, strict=True)
            windows.append(
                _ContextWindow(
                    {name: encoded[name][number] for name in self._tokenizer.model_input_names if name in encoded},
                    [offset if its_side == side else None for offset, its_side in offsets],
                    # The text may contain the same token, so only a special token counts.
                    next(
                        index
                        for index, token in enumerate(ids)
                        if token == self._tokenizer.cls_token_id and sides[index] is None
                    ),
                )
            )
        return windows

    def _forward(self, windows: Sequence[_ContextWindow], _: threading.Event) -> list[_WindowAnswer]:
        inputs = pad_batch(self._tokenizer, [window.encoded for window in windows], self._model.device)
        with torch.inference_mode():
            output = self._model(**inputs)
        width = inputs["input_ids"].shape[1]
        found = []
        for window, start, end in zip(
            windows, output.start_logits.float().cpu(), output.end_logits.float().cpu(), strict=True
        ):
            length = len(window.offsets)
            # The tokenizer decides on which side the padding stands.
            row = slice(0, length) if self._question_first else slice(width - length, width)
            null_score = float(start[row][window.null_index] + end[row][window.null_index])
            found.append(_WindowAnswer(best_span(start[row], end[row], window.offsets), null_score))
        return found


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0
