"""Models of natural language inference: a sequence classification head that has entailment and contradiction."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoModelForSequenceClassification

from carteiro.models.errors import PromptTooLarge
from carteiro.models.local.inference.batching import Batcher
from carteiro.models.local.transformers.encoding import EncodedText, pad_batch
from carteiro.models.local.transformers.transformers_model import TransformersModel
from carteiro.models.results import Entailment
from carteiro.schemas import Usage
from carteiro.text.splitter import split_text

_MAX_BATCH_TOKENS = 4096
"""Maximum number of tokens of one batch, padding included."""
_MIN_TEXT_SHARE = 0.25
"""Smallest share of the model's context for the text."""
_MAX_PART_TOKENS = 400
"""Maximum tokens of one part of a long text: the training texts of such models are short."""
_CONTRADICTION = ("contradict", "not_entail", "not entail", "non_entail")


def judges_entailment(config: Any) -> bool:
    """Return True if the labels of a configuration include entailment and its opposite."""
    return None not in _positions(config)


def _positions(config: Any) -> tuple[int | None, int | None]:
    """Return the indices of entailment and of contradiction, or of the label that stands for no entailment."""
    names = {int(number): str(label).casefold() for number, label in config.id2label.items()}
    entailment = next((at for at, name in names.items() if name.startswith("entail")), None)
    return entailment, next((at for at, name in names.items() if name.startswith(_CONTRADICTION)), None)


class LocalEntailmentModel(TransformersModel):
    """Judges hypotheses by a text, as Yin et al. 2019 (arXiv:1909.00161) classify without training."""

    auto_class = AutoModelForSequenceClassification

    def _after_load(self) -> None:
        self._entailment, self._contradiction = _positions(self._model.config)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token  # the tokenizer requires it for a batch
        self._batcher = Batcher(
            self.name, self._thread, self._forward, timeout=self._timeout, max_batch_tokens=_MAX_BATCH_TOKENS
        )

    async def entail(self, text: str, hypotheses: Sequence[str]) -> Entailment:
        """Return the log-odds of entailment against contradiction, over the parts of the text the highest.

        Raise `PromptTooLarge` or `Unavailable`.
        """
        encoded = await self._on_thread(lambda _: self._encode(text, hypotheses))
        rows = [row for each in encoded for row in each]
        sizes = [len(row["input_ids"]) for row in rows]
        judged = iter(await asyncio.gather(*map(self._batcher.submit, rows, sizes)))
        return Entailment([max(next(judged) for _ in each) for each in encoded], Usage(input_tokens=sum(sizes)))

    def _encode(self, text: str, hypotheses: Sequence[str]) -> list[list[EncodedText]]:
        """Return the pairs of each hypothesis with all parts of the text."""
        special = self._tokenizer.num_special_tokens_to_add(pair=True)
        longest = max(map(self.count_tokens, hypotheses), default=0)
        room = self.context_tokens - longest - special
        if room < self.context_tokens * _MIN_TEXT_SHARE:
            raise PromptTooLarge(f"a label has {longest} tokens; {self.name} reads {self.context_tokens} with the text")
        parts = split_text(text, min(room, _MAX_PART_TOKENS), self.count_tokens)
        return [[dict(self._tokenizer(part, hypothesis)) for part in parts] for hypothesis in hypotheses]

    def _forward(self, rows: Sequence[EncodedText], _: threading.Event) -> list[float]:
        # Without a padding token, GPT-like heads cannot find the last token of a row.
        batches = [rows] if self._model.config.pad_token_id is not None else [[row] for row in rows]
        with torch.inference_mode():
            parts = [self._model(**pad_batch(self._tokenizer, each, self._model.device)).logits for each in batches]
            logits = torch.cat(parts).float()
            odds: list[float] = (logits[:, self._entailment] - logits[:, self._contradiction]).tolist()
        return odds
