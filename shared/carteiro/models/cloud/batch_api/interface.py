"""Interface of a provider's batches. A batch is a file of requests, one in each line, that is answered within a day, at
half the price.

OpenAI's Batch API (https://platform.openai.com/docs/guides/batch), which Azure has too, and Google in part.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from carteiro.models.errors import ModelError

P_contra = TypeVar("P_contra", contravariant=True)
A = TypeVar("A")

BatchStatus = Literal["running", "completed", "failed", "expired", "cancelled"]


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch as its provider describes it.

    `name` is our name for it, None if the provider does not keep names. `output_files` are the files of its results.
    There may be some with every status. If the batch `failed`, no request was done: `error_message` says why, with the
    line if the provider names it. `error_code` is the provider's code, such as `token_limit_exceeded`.
    """

    id: str
    name: str | None
    input_file: str
    status: BatchStatus
    output_files: Sequence[str] = ()
    error_message: str | None = None
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class BatchItemResult:
    """Result of one line, by its id: an answer's JSON, as a live call returns it, or a failure.

    After a failure that is retryable the line counts as never sent. Other failures are final.
    """

    id: str
    answer: Any = None
    error: ModelError | None = None


class RetryMode(Enum):
    """The way to retry a prompt after the result of its line."""

    NO = "not at all"
    BATCH = "in a batch, in the form that the model is known to take by now"
    LIVE = "live: that call finds the form that the model takes"


class BatchApi(Protocol):
    """Protocol of a provider's batches for one model. Every method raises the errors of `carteiro.models.errors`."""

    max_bytes: int
    """Maximum bytes of a file."""

    def encode_line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        """Return one line of the input file, with its newline."""

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        """Upload the input file as NAME.jsonl and return its id."""

    async def wait_until_ready(self, file: str) -> None:
        """Return once a batch of the file can be created. Raise `InvalidPrompt` if the provider cannot process the
        file.
        """

    async def submit(self, name: str, file: str) -> ProviderBatch:
        """Create a batch of the file. If the answer is lost, the batch may exist all the same: `find` tells."""

    async def find(self, name: str, file: str) -> list[ProviderBatch]:
        """Return the batches with our name or this input file, newest first."""

    async def retrieve(self, id: str) -> ProviderBatch:  # noqa: A002
        """Return the batch in its present state."""

    def results(self, batch: ProviderBatch) -> AsyncIterator[BatchItemResult]:
        """Yield the results that exist, in any order and possibly not for all lines. Leave out unreadable results."""

    async def cancel(self, id: str) -> None:  # noqa: A002
        """Stop the batch. Requests that are done already keep their results. A batch that has ended is not an error."""

    async def delete_file(self, file: str) -> None:
        """Delete the file. A file that is already deleted is not an error."""

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        """Return id and name of each input file with a name that begins with `prefix`."""


@runtime_checkable
class BatchModel(Protocol[P_contra, A]):
    """Protocol of a model whose provider may have batches: P is the type of its prompts, A of its answers."""

    batches: BatchApi | None

    @property
    def name(self) -> str:
        """The model's name in replies."""

    def body(self, prompt: P_contra) -> dict[str, Any]:
        """Return the body of the request for this prompt."""

    def completion(self, answer: Any, prompt: P_contra) -> A:
        """Return the model's answer in an answer's JSON. Raise the errors of `carteiro.models.errors`."""

    def adapt(self, prompt: P_contra, body: dict[str, Any], outcome: ModelError | A) -> RetryMode:
        """Learn from the outcome of `body` in a batch. Return the way to retry the prompt."""
