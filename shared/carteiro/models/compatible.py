"""Table of the providers and servers that speak OpenAI's Chat Completions. Each has a name and a key of its own.

The quirks spare the first refused call: what a provider takes is learnt from its refusals in any case.
"""

from dataclasses import dataclass, field
from typing import Literal

from carteiro.models.cloud.content_parts import PdfForm
from carteiro.models.cloud.embedding_format import QUERY_OR_PASSAGE, EmbeddingFormat
from carteiro.models.cloud.provider_options import OPENAI_TIERS, TierNames
from carteiro.models.cloud.reasoning_effort import (
    ReasoningFields,
    all_or_nothing,
    effort_field,
    groq_effort,
    reasoning_object,
    template_switch,
    thinking_switch,
    together_effort,
)
from carteiro.models.cloud.request_format import RequestFormat, SchemaMode


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibleProvider:
    """One row: `scheme` is the beginning of its models' names, `url` its address, `key` the variable of its key.

    `address` is the variable of another address. Without a path it gets that of `url`.
    """

    scheme: str
    url: str
    key: str
    address: str
    needs_key: bool = True
    """False for a server of one's own, which may be open."""
    telemetry_name: str | None = None
    """`gen_ai.provider.name` of OpenTelemetry's conventions, if it is another than the scheme."""
    limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    """Name of the limit of output tokens."""
    seed: Literal["seed", "random_seed"] = "seed"
    """Name of the seed."""
    pdf: PdfForm = "file"
    """Form of a PDF file."""
    tools: bool = True
    """False if none of its models calls tools. Then a request with tools is refused without a call."""
    images: bool = True
    """False if none of its models sees images. Then a request with images is refused without a call."""
    form: RequestFormat = field(default_factory=RequestFormat)
    """Form of the first request."""
    reasoning: ReasoningFields = effort_field
    """Function from an amount of thinking to fields of the request."""
    tiers: TierNames = field(default_factory=dict)
    """Names of the service tiers that it has, for live calls."""
    takes_cache_key: bool = False
    """True if it takes `prompt_cache_key`."""
    embeddings: EmbeddingFormat | None = None
    """Form of requests for vectors; None if it has no embedding models behind this API."""


_JSON_OBJECT = RequestFormat(schema=SchemaMode.JSON_OBJECT)

COMPATIBLE_PROVIDERS = (
    CompatibleProvider(
        # https://docs.mistral.ai/api: an unknown field is a 422, the seed and PDF files have names of their own, and
        # the usage comes in a stream without a request for it.
        scheme="mistral",
        url="https://api.mistral.ai/v1",
        key="MISTRAL_API_KEY",
        address="MISTRAL_BASE_URL",
        telemetry_name="mistral_ai",
        seed="random_seed",
        pdf="document_url",
        form=RequestFormat(omitted=frozenset({"stream_options"})),
        reasoning=all_or_nothing,
        takes_cache_key=True,
        embeddings=EmbeddingFormat(),
    ),
    CompatibleProvider(
        # https://console.groq.com/docs/api-reference: `max_tokens` is deprecated.
        scheme="groq",
        url="https://api.groq.com/openai/v1",
        key="GROQ_API_KEY",
        address="GROQ_BASE_URL",
        reasoning=groq_effort,
        limit="max_completion_tokens",
    ),
    CompatibleProvider(
        # https://api-docs.deepseek.com/guides/json_mode: `json_object`, no schemas.
        # https://api-docs.deepseek.com/guides/thinking_mode: models think unless told otherwise, and calls without the
        # thinking before them are a 400.
        scheme="deepseek",
        url="https://api.deepseek.com",
        key="DEEPSEEK_API_KEY",
        address="DEEPSEEK_BASE_URL",
        reasoning=thinking_switch,
        form=RequestFormat(schema=SchemaMode.JSON_OBJECT, returns_thinking=True),
    ),
    CompatibleProvider(
        # https://openrouter.ai/docs/api-reference: comments in streams, and failures with the status 200.
        scheme="openrouter",
        url="https://openrouter.ai/api/v1",
        key="OPENROUTER_API_KEY",
        address="OPENROUTER_BASE_URL",
        reasoning=reasoning_object,
        tiers=OPENAI_TIERS,
        takes_cache_key=True,
        embeddings=EmbeddingFormat(),
    ),
    CompatibleProvider(
        # https://docs.together.ai/docs/openai-api-compatibility
        scheme="together",
        url="https://api.together.ai/v1",
        key="TOGETHER_API_KEY",
        address="TOGETHER_BASE_URL",
        reasoning=together_effort,
        embeddings=EmbeddingFormat(),
    ),
    CompatibleProvider(
        # https://docs.fireworks.ai/tools-sdks/openai-compatibility; `service_tier` only knows `priority`.
        scheme="fireworks",
        url="https://api.fireworks.ai/inference/v1",
        key="FIREWORKS_API_KEY",
        address="FIREWORKS_BASE_URL",
        tiers={"priority": "priority"},
        takes_cache_key=True,
        embeddings=EmbeddingFormat(),
    ),
    CompatibleProvider(
        # https://docs.x.ai/docs/api-reference: `max_tokens` is deprecated.
        scheme="xai",
        url="https://api.x.ai/v1",
        key="XAI_API_KEY",
        address="XAI_BASE_URL",
        telemetry_name="x_ai",
        limit="max_completion_tokens",
    ),
    CompatibleProvider(
        # https://docs.cohere.com/docs/compatibility-api: `json_object`, no schemas in the form of OpenAI.
        # https://docs.cohere.com/reference/embed: 96 texts.
        scheme="cohere",
        url="https://api.cohere.ai/compatibility/v1",
        key="COHERE_API_KEY",
        address="COHERE_BASE_URL",
        reasoning=all_or_nothing,
        form=_JSON_OBJECT,
        embeddings=EmbeddingFormat(base64=True, max_texts=96),
    ),
    CompatibleProvider(
        # https://docs.perplexity.ai/api-reference/chat-completions-post: no tools of a caller. Its vectors have a form
        # of their own.
        scheme="perplexity",
        url="https://api.perplexity.ai",
        key="PERPLEXITY_API_KEY",
        address="PERPLEXITY_BASE_URL",
        tools=False,
    ),
    CompatibleProvider(
        # https://inference-docs.cerebras.ai/resources/openai
        scheme="cerebras",
        url="https://api.cerebras.ai/v1",
        key="CEREBRAS_API_KEY",
        address="CEREBRAS_BASE_URL",
        limit="max_completion_tokens",
    ),
    CompatibleProvider(
        # https://docs.api.nvidia.com/nim/reference/llm-apis; its embedding models need `input_type`.
        scheme="nvidia",
        url="https://integrate.api.nvidia.com/v1",
        key="NVIDIA_API_KEY",
        address="NVIDIA_BASE_URL",
        reasoning=template_switch,
        embeddings=EmbeddingFormat(input_types=QUERY_OR_PASSAGE),
    ),
    CompatibleProvider(
        # https://huggingface.co/docs/inference-providers: the router speaks this API for chat only.
        scheme="huggingface",
        url="https://router.huggingface.co/v1",
        key="HF_TOKEN",
        address="HF_ROUTER_BASE_URL",
    ),
    CompatibleProvider(
        # https://docs.ollama.com/api/openai-compatibility. A prompt that is longer than the context is cut without a
        # word, so the server's OLLAMA_CONTEXT_LENGTH has to be large enough. OLLAMA_HOST has no path, often no scheme.
        scheme="ollama",
        url="http://localhost:11434/v1",
        key="OLLAMA_API_KEY",
        address="OLLAMA_HOST",
        needs_key=False,
        embeddings=EmbeddingFormat(),
    ),
    CompatibleProvider(
        # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
        scheme="vllm",
        url="http://localhost:8000/v1",
        key="VLLM_API_KEY",
        address="VLLM_BASE_URL",
        needs_key=False,
        limit="max_completion_tokens",
        reasoning=template_switch,
        embeddings=EmbeddingFormat(),
    ),
)
