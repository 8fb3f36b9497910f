"""Outputs of models, each with its usage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from carteiro.models.prompt import RawToolCall
from carteiro.schemas import FinishReason, Usage


@dataclass(frozen=True, slots=True)
class TokenChoice:
    """A token of a completion, and the log-probabilities (natural logarithm) of the likeliest tokens in its place."""

    text: str
    log_probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's text. `finish_reason` is `length` if a limit of tokens cut it, and `tool_calls` if it calls tools.

    `reasoning` is the thinking that the model showed before its answer; it is no part of `text`. The `tool_calls` are
    unchecked. `thinking` is the thinking before them in the provider's own form, which goes back to it with their
    results. `tokens` are those of the model's whole output, if the prompt asks for alternatives and the model reports
    them.
    """

    text: str
    finish_reason: FinishReason
    usage: Usage
    reasoning: str | None = None
    tool_calls: Sequence[RawToolCall] = ()
    tokens: Sequence[TokenChoice] = ()
    thinking: str | None = None


@dataclass(frozen=True, slots=True)
class Ranking:
    """The log-probability (natural logarithm) of each continuation, in the order of the continuations."""

    log_probabilities: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Translation:
    """A translated text, and its source language as a BCP 47 tag.

    `finish_reason` is `length` if a limit of tokens cut it.
    """

    text: str
    source: str
    usage: Usage
    finish_reason: FinishReason = "stop"


@dataclass(frozen=True, slots=True)
class Classification:
    """The probability of each of the model's own labels, from 0 to 1, in the model's order.

    Their sum is 1, unless the model judges each label independently.
    """

    probabilities: Mapping[str, float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Entailment:
    """The log-odds (natural logarithm) that a text entails each hypothesis rather than contradicts it, in their order.

    0 means that neither is likelier.
    """

    log_odds: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class ExtractedAnswer:
    """The span of the context that answers the question: from character `start` to before character `end` (code
    points).

    Both are None if the model finds no answer. `score`, from 0 to 1, is the model's confidence that there is an answer.
    """

    start: int | None
    end: int | None
    score: float
    usage: Usage


@dataclass(frozen=True, slots=True)
class Relevance:
    """The relevance of texts to a query, in the order of the texts. Higher is better; there is no fixed range."""

    scores: Sequence[float]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Vectors of texts, `[texts, dimensions]`, in the order of the texts.

    Each vector has the Euclidean length 1, so the dot product of two is their cosine similarity, from -1 to 1.
    """

    vectors: Sequence[Sequence[float]]
    usage: Usage
