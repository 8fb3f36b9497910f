"""What travels: the request and the result of each task, and the reply around it. Needs pydantic alone."""

from typing import Any

from carteiro.schemas.answer import AnswerRequest, AnswerResult, Span
from carteiro.schemas.chat import ChatAnswer, ChatMessage, ChatRequest, ChatResult
from carteiro.schemas.generate import GenerateRequest, GenerateResult
from carteiro.schemas.reply import (
    ERROR_CODES,
    ErrorCode,
    ErrorDetail,
    ErrorReply,
    FieldError,
    FinishReason,
    OkReply,
    PartialReply,
    Timing,
    Usage,
    reply_type,
)
from carteiro.schemas.request import Options, Request
from carteiro.schemas.sentiment import SentimentRequest, SentimentResult
from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult
from carteiro.schemas.translate import TranslateRequest, TranslateResult

REQUESTS: dict[str, type[Request[Any]]] = {
    request.task: request
    for request in (
        GenerateRequest,
        TranslateRequest,
        ChatRequest,
        SentimentRequest,
        AnswerRequest,
        SummarizeRequest,
    )
}
"""The request of each task, by the task's name."""

__all__ = [
    "ERROR_CODES",
    "REQUESTS",
    "AnswerRequest",
    "AnswerResult",
    "ChatAnswer",
    "ChatMessage",
    "ChatRequest",
    "ChatResult",
    "ErrorCode",
    "ErrorDetail",
    "ErrorReply",
    "FieldError",
    "FinishReason",
    "GenerateRequest",
    "GenerateResult",
    "OkReply",
    "Options",
    "PartialReply",
    "Request",
    "SentimentRequest",
    "SentimentResult",
    "Span",
    "SummarizeRequest",
    "SummarizeResult",
    "Timing",
    "TranslateRequest",
    "TranslateResult",
    "Usage",
    "reply_type",
]
