"""Answers of Azure Language. Names of fields are the service's own."""

from typing import Annotated, Any

from pydantic import BaseModel, Field


class SentimentScores(BaseModel):
    """Probabilities of the three sentiments."""

    positive: Annotated[float, Field(ge=0, le=1)]
    neutral: Annotated[float, Field(ge=0, le=1)]
    negative: Annotated[float, Field(ge=0, le=1)]


class LanguageCode(BaseModel):
    """A recognised language."""

    iso6391Name: str  # noqa: N815 - the service's own name


class SummaryText(BaseModel):
    """A part of a summary."""

    text: str


class AnalyzedDocument(BaseModel):
    """Results of one document, by the kind of the analysis."""

    confidenceScores: SentimentScores | None = None  # noqa: N815
    detectedLanguage: LanguageCode | None = None  # noqa: N815
    summaries: list[SummaryText] | None = None


class AnalyzedDocuments(BaseModel):
    """Results of the documents, or their errors."""

    documents: list[AnalyzedDocument] = []
    errors: list[Any] = []


class AnalyzedText(BaseModel):
    """The answer to an analysis."""

    results: AnalyzedDocuments


class JobTask(BaseModel):
    """One task of a job."""

    status: str = ""
    results: AnalyzedDocuments = AnalyzedDocuments()


class JobTasks(BaseModel):
    """The tasks of a job."""

    items: list[JobTask] = []


class AnswerPart(BaseModel):
    """The short answer within a longer one; `offset` is in code points."""

    text: str = ""
    offset: int = 0


class TextAnswer(BaseModel):
    """An answer from a text; `offset` is in code points."""

    answer: str = ""
    confidenceScore: Annotated[float, Field(ge=0, le=1)] = 0.0  # noqa: N815
    offset: int = 0
    answerSpan: AnswerPart | None = None  # noqa: N815


class TextAnswers(BaseModel):
    """The answer to a question."""

    answers: list[TextAnswer]


def place(answer: TextAnswer, text: str) -> tuple[int, int] | None:
    """Return the start and the end of an answer in its text, in characters; None if it does not stand there.

    The offset of a short answer begins at that of the long one in which it stands.
    """
    span = answer.answerSpan
    found = (span.text, answer.offset + span.offset) if span and span.text.strip() else (answer.answer, answer.offset)
    wanted, offset = found[0].strip(), found[1] + len(found[0]) - len(found[0].lstrip())
    if not wanted:
        return None
    if text[offset : offset + len(wanted)] != wanted:
        offset = text.find(wanted)
    return (offset, offset + len(wanted)) if offset >= 0 else None
