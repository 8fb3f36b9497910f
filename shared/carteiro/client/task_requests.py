"""Builders of the requests of calls, one for each task. Written by scripts/generate.py."""

from collections.abc import Sequence
from typing import Any, Literal, Unpack

from carteiro.client.request_builder import CallOptions, PreparedRequest, build_request
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.schemas.attachment import Attachment
from carteiro.schemas.chat import ChatMessage, ChatRequest, ChatResult
from carteiro.schemas.classify import ClassifyRequest, ClassifyResult, LabelDescription
from carteiro.schemas.embed import EmbedRequest, EmbedResult
from carteiro.schemas.extract import ExtractRequest, ExtractResult
from carteiro.schemas.generate import GenerateRequest, GenerateResult
from carteiro.schemas.sentiment import SentimentRequest, SentimentResult
from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult
from carteiro.schemas.text_reference import TextReference
from carteiro.schemas.tools import NamedTool, Tool
from carteiro.schemas.translate import TranslateRequest, TranslateResult


def answer(
    question: str,
    context: str | TextReference | dict[str, Any] | None = None,
    *,
    collection: str | None = None,
    filter: dict[str, Any] | None = None,
    top_k: int | None = None,
    rerank: bool | None = None,
    attachments: Attachment | dict[str, Any] | Sequence[Attachment | dict[str, Any]] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[AnswerResult]:
    """Answer a question from the context or from a collection of documents, and from nothing else."""
    return build_request(
        AnswerRequest,
        call,
        {
            "collection": collection,
            "filter": filter,
            "top_k": top_k,
            "rerank": rerank,
            "question": question,
            "context": context,
            "attachments": attachments,
        },
    )


def chat(
    messages: str | ChatMessage | dict[str, Any] | Sequence[ChatMessage | dict[str, Any]],
    *,
    tools: Tool | dict[str, Any] | Sequence[Tool | dict[str, Any]] | None = None,
    tool_choice: Literal["auto", "none", "required"] | NamedTool | dict[str, Any] | None = None,
    served_tools: str | Sequence[str] | None = None,
    collection: str | None = None,
    filter: dict[str, Any] | None = None,
    top_k: int | None = None,
    rerank: bool | None = None,
    conversation_id: str | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[ChatResult]:
    """Write the assistant's next message. Requests with the same record key are answered in order."""
    return build_request(
        ChatRequest,
        call,
        {
            "tools": tools,
            "tool_choice": tool_choice,
            "served_tools": served_tools,
            "collection": collection,
            "filter": filter,
            "top_k": top_k,
            "rerank": rerank,
            "messages": messages,
            "conversation_id": conversation_id,
        },
    )


def classify(
    text: str | TextReference | dict[str, Any],
    labels: str | LabelDescription | dict[str, Any] | Sequence[str | LabelDescription | dict[str, Any]],
    *,
    multiple: bool | None = None,
    allow_none: bool | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[ClassifyResult]:
    """Find the labels that fit a text, of the caller's own labels."""
    return build_request(
        ClassifyRequest, call, {"text": text, "labels": labels, "multiple": multiple, "allow_none": allow_none}
    )


def embed(
    texts: str | Sequence[str],
    *,
    input_type: Literal["query", "document"] | None = None,
    dimensions: int | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[EmbedResult]:
    """Turn texts into vectors. Texts of similar meaning have vectors near each other. A text is never cut."""
    return build_request(EmbedRequest, call, {"texts": texts, "input_type": input_type, "dimensions": dimensions})


def extract(
    text: str | TextReference | dict[str, Any],
    fields: dict[str, Any],
    *,
    ungrounded: Literal["mark", "drop"] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[ExtractResult]:
    """Take the data that a JSON Schema describes from a text. A long text is read in parts, and no part is skipped."""
    return build_request(ExtractRequest, call, {"text": text, "fields": fields, "ungrounded": ungrounded})


def generate(
    prompt: str | TextReference | dict[str, Any],
    *,
    tools: Tool | dict[str, Any] | Sequence[Tool | dict[str, Any]] | None = None,
    tool_choice: Literal["auto", "none", "required"] | NamedTool | dict[str, Any] | None = None,
    served_tools: str | Sequence[str] | None = None,
    attachments: Attachment | dict[str, Any] | Sequence[Attachment | dict[str, Any]] | None = None,
    system: str | None = None,
    json_schema: dict[str, Any] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[GenerateResult]:
    """Write a completion of the prompt."""
    return build_request(
        GenerateRequest,
        call,
        {
            "tools": tools,
            "tool_choice": tool_choice,
            "served_tools": served_tools,
            "prompt": prompt,
            "attachments": attachments,
            "system": system,
            "json_schema": json_schema,
        },
    )


def sentiment(
    text: str | TextReference | dict[str, Any],
    *,
    labels: str | Sequence[str] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[SentimentResult]:
    """Find the label that fits the text best."""
    return build_request(SentimentRequest, call, {"text": text, "labels": labels})


def summarize(
    text: str | TextReference | dict[str, Any],
    *,
    style: Literal["paragraph", "bullets"] | None = None,
    length: Literal["short", "medium", "long"] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[SummarizeResult]:
    """Summarize a text. A text longer than the model's context is read in parts, and no part is skipped."""
    return build_request(SummarizeRequest, call, {"text": text, "style": style, "length": length})


def translate(
    text: str | TextReference | dict[str, Any],
    target: str,
    *,
    source: str | None = None,
    formality: Literal["formal", "informal"] | None = None,
    **call: Unpack[CallOptions],
) -> PreparedRequest[TranslateResult]:
    """Translate a text. Languages are BCP 47 tags, such as `pt`, `pt-BR` or `zh-Hant`."""
    return build_request(
        TranslateRequest, call, {"text": text, "target": target, "source": source, "formality": formality}
    )
