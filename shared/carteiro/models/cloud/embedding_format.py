"""Form of a request for vectors: plain data, which a provider sets and a refusal changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from carteiro.models.prompt import InputType

QUERY_OR_DOCUMENT: Mapping[InputType, str] = {"query": "query", "document": "document"}
"""Values of `input_type` at Voyage AI (https://docs.voyageai.com/reference/embeddings-api)."""
QUERY_OR_PASSAGE: Mapping[InputType, str] = {"query": "query", "document": "passage"}
"""Values of `input_type` at NVIDIA's NIM
(https://docs.nvidia.com/nim/nemo-retriever/text-embedding/latest/reference.html)."""
UNKNOWN_SERVER_TEXTS = 32
"""Texts in a call of a server of which no limit is known: the default limit of Text Embeddings Inference
(`--max-client-batch-size`, https://huggingface.co/docs/text-embeddings-inference/cli_arguments)."""


@dataclass(frozen=True, slots=True)
class EmbeddingFormat:
    """Form of a request.

    With `base64`, vectors are asked for as bytes: they take a quarter of the time to read. Gemini and many gateways
    reject the option `encoding_format`. `input_types` are the values of the option `input_type`, which is not one of
    OpenAI's; empty if the server does not know it. `max_texts` is the number of texts in a call.
    """

    base64: bool = False
    input_types: Mapping[InputType, str] = field(default_factory=dict)
    max_texts: int = UNKNOWN_SERVER_TEXTS
