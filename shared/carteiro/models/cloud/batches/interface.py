"""A provider's batches: a file of requests, one a line, that is answered within a day, at half the price.

OpenAI's Batch API (https://platform.openai.com/docs/guides/batch), which Azure has too, and Google in part.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from carteiro.models.failures import ModelFailure
from carteiro.models.interface import Completion, Prompt

Status = Literal["running", "completed", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as its provider describes it.

    `name` is ours, None where the provider keeps none. `outputs` are the files of its results, of which there may be
    some however it ended. Where it `failed`, nothing was done: `problem` says why, with the line where one is
    named, and `code` in the provider's word, such as `token_limit_exceeded`.
    """

    id: str
    name: str | None
    input_file: str
    status: Status
    outputs: Sequence[str] = ()
    problem: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of one line, by its id: an answer's JSON, as a live call would have got it, or a failure.

    A failure that is retryable leaves the line as if it had never been sent; others are final.
    """

    id: str
    answer: Any = None
    failure: ModelFailure | None = None


class Batches(Protocol):
    """A provider's batches for one model. Every method raises what `carteiro.models.failures` names."""

    most_bytes: int
    """Most bytes of a file."""

    def line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        """One line of the input file, with its newline."""

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        """Send the input file, as NAME.jsonl; gives its id."""

    async def ready(self, file: str) -> None:
        """Return once a batch can be made of the file. Raises `InvalidPrompt` where none ever can."""

    async def submit(self, name: str, file: str) -> Batch:
        """Have the file done. Where the answer is lost, the batch may have been made: `find` tells."""

    async def find(self, name: str, file: str) -> list[Batch]:
        """The batches with our name or this input file, newest first."""

    async def look(self, id: str) -> Batch:  # noqa: A002
        """How the batch is."""

    def results(self, batch: Batch) -> AsyncIterator[LineResult]:
        """The results there are, in any order and maybe not of all lines. What cannot be read is left out."""

    async def cancel(self, id: str) -> None:  # noqa: A002
        """Stop the batch. What is done by then has results. One that has ended already is no error."""

    async def delete(self, file: str) -> None:
        """Delete the file. One that is gone already is no error."""

    async def files(self, prefix: str) -> list[tuple[str, str]]:
        """Id and name of each input file whose name begins so."""


@runtime_checkable
class BatchModel(Protocol):
    """A chat model whose provider may work off batches of its prompts."""

    batches: Batches | None

    @property
    def name(self) -> str:
        """What replies call the model."""

    def body(self, prompt: Prompt) -> dict[str, Any]:
        """The body of the request that asks for this prompt's completion."""

    def completion(self, answer: Any, prompt: Prompt) -> Completion:
        """The completion in an answer's JSON. Raises what `carteiro.models.failures` names."""
