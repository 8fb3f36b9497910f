"""Where a model is called and with what credential: plain data, made by one module for each provider."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from carteiro.models.cloud.api import ApiName


class Credential(Protocol):
    """What a provider knows us by."""

    @property
    def variable(self) -> str:
        """The environment variable that an operator has to look at where the provider turns the credential down."""

    async def check(self) -> None:
        """Find the credential, before any call. Raises `ModelUnusable` where there is none."""

    async def secret(self, refused: str | None = None) -> str:
        """The key or token to send, empty where none is; another than `refused`, if there is another.

        Raises `Misconfigured` or `Unavailable` where no token is given out.
        """

    async def close(self) -> None:
        """Close the connections over which tokens are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAddress:
    """Where a provider's batches are: `/batches` and `/files` begin at `url`, and `query` goes with every call.

    With `google_files`, an address, files are there instead, in Google's own Files API. With `processes_files` a batch
    has to wait until its file is processed.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    google_files: str | None = None
    processes_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model of one provider. The paths of the API begin at `url`; `query` goes with every call.

    `header` carries the credential; `Authorization` as a bearer's. `completion_limit` is what Chat Completions
    calls the most tokens that may be written: OpenAI has renamed it, compatible servers know the old name.
    `check` names what to look at where the model is not found.
    """

    model: str
    url: str
    api: ApiName
    credential: Credential
    check: str
    header: Literal["Authorization", "api-key"] = "Authorization"
    query: Mapping[str, str] = field(default_factory=dict)
    completion_limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    openai: bool = False
    """Whether it is OpenAI's own: only there are OPENAI_ORG_ID and OPENAI_PROJECT_ID sent."""
    batches: BatchAddress | None = None
    """Without one the provider has no batches."""
