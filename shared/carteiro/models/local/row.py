"""One completion while it is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from carteiro.models.in_process.showing import Showing
from carteiro.models.local.sampling import Sampler
from carteiro.models.stop_texts import StopTexts
from carteiro.schemas import FinishReason


@dataclass(eq=False, slots=True, kw_only=True)
class Row:
    """What is asked for, and the tokens that have been written for it so far.

    `limit` is the most tokens to write. A token of `end_tokens` ends it, and so does one of the stop texts.
    """

    prompt: list[int]
    limit: int
    sampler: Sampler
    stops: StopTexts
    end_tokens: Sequence[int] = ()
    showing: Showing | None = None
    written: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    failure: Exception | None = None
    """What went wrong with this row alone: the rest of its batch goes on."""

    @property
    def tokens(self) -> list[int]:
        """The prompt and what has been written: what the model has to have read to write on."""
        return self.prompt + self.written

    @property
    def reserved(self) -> int:
        """The most tokens it will ever have."""
        return len(self.prompt) + self.limit

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be written."""
        return self.finish_reason is not None or self.failure is not None

    def write(self, logits: torch.Tensor) -> None:
        """Choose the next token by the model's logits for it."""
        try:
            self.add(self.sampler.choose(self.tokens, logits))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits for this row
            self.failure = error

    def add(self, token: int) -> None:
        """Write one token, and see whether it is the last."""
        self.written.append(token)
        if token in self.end_tokens or self.stops.reached(self.written):
            self.finish_reason = "stop"
        elif len(self.written) >= self.limit:
            self.finish_reason = "length"
        if self.showing is not None:
            (self.showing.end if self.ended else self.showing.add)(self.written)
