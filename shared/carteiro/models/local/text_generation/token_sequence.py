"""State of one completion during its generation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from carteiro.models.local.text_generation.detokenizer import IncrementalDetokenizer
from carteiro.models.local.text_generation.repetition import repeats_itself
from carteiro.models.local.text_generation.stop_condition import StopCondition
from carteiro.models.reasoning import ReasoningState
from carteiro.schemas import FinishReason


class TokenSampler(Protocol):
    """Protocol of the choice of the next token in this process."""

    @property
    def is_greedy(self) -> bool:
        """True if the likeliest token is always taken."""

    def sample(self, tokens: Sequence[int], logits: Any) -> int:
        """Return the token after `tokens`, the prompt included. `logits` are `[vocabulary]`."""


@dataclass(eq=False, slots=True, kw_only=True)
class TokenSequence:
    """The prompt and limits of one completion, and the tokens written so far.

    It ends after `max_new_tokens` tokens, at a token of `end_tokens`, or at a stop text. If `stop_on_repetition` is
    True, it also ends when it repeats one phrase again and again. `sampler` is None if the engine chooses the tokens.
    """

    prompt_ids: list[int]
    max_new_tokens: int
    stop_condition: StopCondition
    sampler: TokenSampler | None = None
    start_state: ReasoningState = ReasoningState.ANSWER
    end_tokens: Sequence[int] = ()
    stop_on_repetition: bool = False
    detokenizer: IncrementalDetokenizer | None = None
    output_ids: list[int] = field(default_factory=list)
    finish_reason: FinishReason | None = None
    error: Exception | None = None
    """Error of this sequence only; the rest of its batch continues."""

    @property
    def token_ids(self) -> list[int]:
        """Tokens of the prompt and of the output so far."""
        return self.prompt_ids + self.output_ids

    @property
    def max_total_tokens(self) -> int:
        """Maximum number of tokens, prompt included."""
        return len(self.prompt_ids) + self.max_new_tokens

    @property
    def is_greedy(self) -> bool:
        """True if the likeliest token is always taken."""
        return self.sampler is None or self.sampler.is_greedy

    @property
    def is_finished(self) -> bool:
        """True if no more tokens will be written."""
        return self.finish_reason is not None or self.error is not None

    def end(self) -> None:
        """Finish the sequence if no limit of its own has ended it."""
        if not self.is_finished:
            self.finish_reason = "stop"
            if self.detokenizer is not None:
                self.detokenizer.finish(self.output_ids)

    def sample(self, logits: Any) -> None:
        """Choose and append the next token. `logits` are `[vocabulary]`."""
        assert self.sampler is not None, "the engine chooses the tokens"
        try:
            self.append(self.sampler.sample(self.token_ids, logits))
        except Exception as error:  # noqa: BLE001  # the error belongs to the caller of this sequence
            self.error = error

    def append(self, token_id: int) -> None:
        """Add one token, and set `finish_reason` if it is the last."""
        self.output_ids.append(token_id)
        if token_id in self.end_tokens or self.stop_condition.is_met(self.output_ids):
            self.finish_reason = "stop"
        elif len(self.output_ids) >= self.max_new_tokens:
            self.finish_reason = "length"
        elif self.stop_on_repetition and repeats_itself(self.output_ids):
            self.finish_reason = "stop"
        if self.detokenizer is not None:
            (self.detokenizer.finish if self.is_finished else self.detokenizer.add)(self.output_ids)
