"""Address and credential of a model: plain data. Each provider has a module that creates it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from carteiro.models.cloud.api import EndpointApi
from carteiro.models.cloud.content_parts import PdfForm
from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.cloud.provider_options import TierNames
from carteiro.models.cloud.reasoning_effort import ReasoningFields, effort_field
from carteiro.models.cloud.request_format import RequestFormat

MAX_RETRY_AFTER_SECONDS = 3600.0
"""Default of `CARTEIRO_MAX_RETRY_AFTER_SECONDS`."""


class Signer(Protocol):
    """Protocol of a function that signs calls."""

    def __call__(self, secret: str, url: str, content: bytes) -> Mapping[str, str]:
        """Return the headers of a POST of JSON for the credential's value, the address and the body."""


class Credential(Protocol):
    """Protocol of a credential for a provider."""

    @property
    def variable(self) -> str:
        """Environment variable that an operator has to check if the provider rejects the credential."""

    async def check(self) -> None:
        """Check the credential before any call. Raise `ModelUnusable` if it is missing."""

    async def get_value(self, rejected: str | None = None) -> str:
        """Return the key or token to send; empty if the server requires none. Return another one than `rejected`, if
        there is another.

        Raise `Misconfigured` or `Unavailable` if the token service gives out no token.
        """

    async def close(self) -> None:
        """Close the connections over which tokens are fetched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAddress:
    """Address of a provider's batches. `/batches` and `/files` begin at `url`; every call has `query`.

    If `google_files` is set, it is the address of Google's own Files API, which holds the files. If `processes_files`,
    a batch has to wait until its file is processed.
    """

    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    google_files: str | None = None
    processes_files: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model of one provider. The paths of the API begin at `url`; every call has `query`.

    `header` carries the credential; `Authorization` carries it as a bearer token. `completion_limit` is the name of the
    limit of output tokens in Chat Completions, until the model rejects it: OpenAI has renamed it, compatible servers
    know the old name. `not_found_hint` names the settings to check if the model is not found.
    """

    model: str
    url: str
    api: EndpointApi
    credential: Credential
    not_found_hint: str
    header: Literal["Authorization", "api-key", "Ocp-Apim-Subscription-Key", "x-goog-api-key"] = "Authorization"
    headers: Mapping[str, str] = field(default_factory=dict)
    """Other headers of every call."""
    sign: Signer | None = None
    """Signature of each call, in place of the credential in `header`. The endpoint then has no `query`."""
    query: Mapping[str, str] = field(default_factory=dict)
    completion_limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    seed: Literal["seed", "random_seed"] = "seed"
    """Name of the seed in Chat Completions."""
    pdf: PdfForm = "file"
    """Form of a PDF file in Chat Completions."""
    tools: bool = True
    """False if no model of the provider calls tools."""
    images: bool = True
    """False if no model of the provider sees images."""
    form: RequestFormat = field(default_factory=RequestFormat)
    """Form of the first request, as far as the provider's documentation tells."""
    reasoning: ReasoningFields = effort_field
    """Function from an amount of thinking to fields of Chat Completions."""
    tiers: TierNames = field(default_factory=dict)
    """Names of the service tiers that the provider has."""
    takes_cache_key: bool = False
    """True if it takes a key of the prompt cache."""
    openai: bool = False
    """True if the server is OpenAI's own. Only OpenAI gets OPENAI_ORG_ID and OPENAI_PROJECT_ID."""
    background: bool = False
    """True if the provider writes and keeps answers of the Responses API in the background."""
    batches: BatchAddress | None = None
    """Address of the batches; None if the provider has none."""
    embeddings: EmbeddingFormat = field(default_factory=EmbeddingFormat)
    """Form of requests for vectors, if the model is an embedding model."""
    max_retry_after: float = MAX_RETRY_AFTER_SECONDS
    """Longest wait, in seconds, that the provider may ask for. A longer wait is cut to this."""
