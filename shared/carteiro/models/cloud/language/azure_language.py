"""Azure Language, API version 2023-04-01: sentiment, summaries, and answers from a text.

Reference: https://learn.microsoft.com/rest/api/language/. The limits are those of
https://learn.microsoft.com/azure/ai-services/language-service/concepts/data-limits: text elements for each document.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from openai import APIStatusError

from carteiro.models.cloud.call_usage import may_have_used_tokens
from carteiro.models.cloud.connection import ProviderConnection
from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.error_classifier import ERROR_IN_200
from carteiro.models.cloud.language.azure_jobs import SUBMIT_PATH, AzureJobs, JobStatus
from carteiro.models.cloud.language.azure_responses import (
    AnalyzedDocument,
    AnalyzedText,
    JobTasks,
    TextAnswer,
    TextAnswers,
    place,
)
from carteiro.models.cloud.language.language_tags import AZURE, source_code
from carteiro.models.cloud.language.sentiment import weighted_mean
from carteiro.models.cloud.language.service import (
    LanguageService,
    billed_in_thousands,
    run_parts,
    split_by_length,
)
from carteiro.models.cloud.language.service_errors import service_failure
from carteiro.models.cloud.quota import Quota
from carteiro.models.errors import ModelError, PromptTooLarge, Unavailable, Unsupported, attach_usage
from carteiro.models.prompt import GenerationOptions
from carteiro.models.results import Classification, Completion, ExtractedAnswer
from carteiro.models.service_call import ServiceAnswer, ServiceCall
from carteiro.schemas import Usage
from carteiro.text.surrogates import repair_unicode
from carteiro.text.units import text_element_length, utf8_length

log = structlog.get_logger("carteiro.models")

ANALYZE_PATH, ANSWER_PATH = "/language/:analyze-text", "/language/:query-text"
API_VERSION = "2023-04-01"
_MAX_ELEMENTS, _MAX_JOB_ELEMENTS = 5_120, 125_000
"""Text elements of a document that is answered at once, and of one that a job reads."""
_MAX_DOCUMENT_BYTES = 900_000
"""A request has at most 1 MB."""
_MAX_QUESTION = 1_000
_DETECTED_CHARACTERS = 1_000
"""Characters by which a language is recognised."""
_MIN_ANSWER_SCORE = 0.1
"""Confidence below which the service's own documentation speaks of no match."""
_RETIREMENT = "2029-03-31"
"""https://learn.microsoft.com/azure/ai-services/language-service/summarization/overview"""


def _length(text: str) -> int:
    """Return the text elements, or more if the bytes are more than a document of that many elements may have."""
    return max(text_element_length(text), -(-utf8_length(text) * _MAX_ELEMENTS // _MAX_DOCUMENT_BYTES))


class AzureLanguage(LanguageService):
    """Azure's classifier of sentiment, summarizer, and reader that answers questions."""

    context_tokens = _MAX_JOB_ELEMENTS
    """Longest text of a summary, in text elements. `count_tokens` counts them."""

    def __init__(
        self, name: str, endpoint: Endpoint, language: str, *, timeout: float, quota: Quota | None = None
    ) -> None:
        """`language` is the language of all texts as a BCP 47 tag; if it is empty, each text's is recognised."""
        super().__init__(name, endpoint, timeout=timeout, quota=quota)
        self._language = source_code(language, AZURE)

    async def load(self) -> None:
        """Check the credential, and log that summaries end. Raise `ModelUnusable` if there is no credential."""
        await super().load()
        log.warning(
            "Azure Language retires summarization: name another model for summarize until then",
            model=self.name,
            retired=_RETIREMENT,
        )

    def count_tokens(self, text: str) -> int:
        """Return the length in text elements, in which the service's limits are."""
        return _length(text)

    async def probe(self) -> None:
        """Recognise the language of one word."""
        await self._detect("yes")

    async def classify(self, text: str) -> Classification:
        """Return the probabilities of positive, negative and neutral. Raise the errors of `carteiro.models.errors`."""
        language, usage = await self._language_of(text)

        async def classify(part: str) -> tuple[dict[str, float], Usage]:
            found, spent = await self._analyze("SentimentAnalysis", part, language)
            if found.confidenceScores is None:
                raise self._unexpected()
            return found.confidenceScores.model_dump(), spent

        parts = [part for part in await split_by_length(text, _MAX_ELEMENTS, _length) if part.strip()]
        found = await run_parts(parts, classify)
        weighted = ((scores, len(part)) for part, (scores, _) in zip(parts, found, strict=True))
        return Classification(weighted_mean(weighted), sum((spent for _, spent in found), usage))

    async def find_answer(self, question: str, context: str) -> ExtractedAnswer:
        """Find the span of the context that answers the question, in any part of it.

        Raise `PromptTooLarge` for a long question, and other errors of `carteiro.models.errors`.
        """
        if text_element_length(question) > _MAX_QUESTION:
            raise PromptTooLarge(f"{self.name} takes questions of at most {_MAX_QUESTION:,} characters")
        language, usage = await self._language_of(context)

        async def answer(part: str) -> ServiceAnswer:
            return await self._answer_from(question, part, language) if part.strip() else ServiceAnswer({}, Usage())

        parts = await split_by_length(context, _MAX_ELEMENTS, _length)
        found = await run_parts(parts, answer)
        usage = sum((each.usage for each in found), usage)
        best, offset = ExtractedAnswer(None, None, 0.0, usage), 0
        for part, answered in zip(parts, found, strict=True):
            candidate = TextAnswer.model_validate(answered.content)
            span = place(candidate, part)
            if span and candidate.confidenceScore > max(best.score, _MIN_ANSWER_SCORE):
                best = ExtractedAnswer(offset + span[0], offset + span[1], candidate.confidenceScore, usage)
            offset += len(part)
        return best

    async def summarize(self, text: str, options: GenerationOptions) -> Completion:
        """Summarize a text of at most `context_tokens` text elements by a job. The service decides about the length.

        Raise `PromptTooLarge` for a longer text, `Unsupported` for options, and other errors of
        `carteiro.models.errors`.
        """
        if options != GenerationOptions():
            raise Unsupported(f"{self.name} takes no temperature, max_output_tokens or seed: leave them out")
        if self.count_tokens(text) > self.context_tokens:
            raise PromptTooLarge(f"{self.name} summarizes at most {self.context_tokens:,} characters at once")
        text = repair_unicode(text)
        language, usage = await self._language_of(text)
        body = _summary_job(text, language)
        call = ServiceCall(text, SUBMIT_PATH, body)
        answer = await self._run(call, lambda: self._summarize_once(text, body))
        return Completion(answer.content, "stop", usage + answer.usage)

    async def _summarize_once(self, text: str, body: dict[str, Any]) -> ServiceAnswer:
        usage = Usage(characters=billed_in_thousands(text))
        async with self._metered_quota.call(0, 0) as (permit, _):
            try:
                status = await self._run_job(self._connection, body, text)
                permit.completed()
                summary = self._summary_of(status, text)
            except (ModelError, asyncio.CancelledError) as ended:
                if may_have_used_tokens(ended):
                    attach_usage(ended, usage)
                raise
            return ServiceAnswer(summary, usage)

    async def _run_job(self, connection: ProviderConnection, body: dict[str, Any], text: str) -> JobStatus:
        async with connection.translate_errors():
            try:
                return await AzureJobs(connection).run(body)
            except APIStatusError as error:
                raise self._failure(error, text) from None

    def _summary_of(self, status: JobStatus, text: str) -> str:
        tasks = self._read(JobTasks, status.tasks or {}).items
        for document in (each for task in tasks for each in task.results.documents):
            if summary := " ".join(part.text.strip() for part in document.summaries or []):
                return summary
        errors = [error for task in tasks for error in task.results.errors] or status.errors
        if isinstance(errors, list) and errors:
            raise service_failure(ERROR_IN_200, errors[:1], self.name, self._endpoint, {}, text)
        raise Unavailable(f"{self.name} ended its job without a summary: {status.status[:40]}")

    async def _language_of(self, text: str) -> tuple[str, Usage]:
        """Return the language of a text. Raise `Unsupported` if the service does not recognise it."""
        if self._language:
            return self._language, Usage()
        return await self._detect(text.strip()[:_DETECTED_CHARACTERS])

    async def _detect(self, text: str) -> tuple[str, Usage]:
        found, usage = await self._analyze("LanguageDetection", text, None)
        code = found.detectedLanguage.iso6391Name if found.detectedLanguage else "(Unknown)"
        if code in ("(Unknown)", ""):
            failure = Unsupported(f"{self.name} does not recognise the text's language")
            attach_usage(failure, usage)
            raise failure
        return code.replace("zh_chs", "zh-hans").replace("zh_cht", "zh-hant"), usage

    async def _analyze(self, kind: str, text: str, language: str | None) -> tuple[AnalyzedDocument, Usage]:
        document = {"id": "0", "text": repair_unicode(text)} | ({"language": language} if language else {})
        body: dict[str, Any] = {"kind": kind, "analysisInput": {"documents": [document]}}
        if kind != "LanguageDetection":
            body["parameters"] = {"stringIndexType": "UnicodeCodePoint"}
        usage = Usage(characters=billed_in_thousands(text))

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[dict[str, Any], Usage]:
            results = self._read(AnalyzedText, answer).results
            if results.documents:
                return results.documents[0].model_dump(), usage
            if results.errors:
                raise service_failure(ERROR_IN_200, results.errors[:1], self.name, self._endpoint, headers, text)
            raise self._unexpected()

        answer = await self._call(text, usage.characters, ANALYZE_PATH, body, read)
        return AnalyzedDocument.model_validate(answer.content), answer.usage

    async def _answer_from(self, question: str, text: str, language: str) -> ServiceAnswer:
        body = {
            "question": repair_unicode(question),
            "records": [{"id": "0", "text": text}],
            "language": language,
            "stringIndexType": "UnicodeCodePoint",
        }
        usage = Usage(characters=billed_in_thousands(text))

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[dict[str, Any], Usage]:  # noqa: ARG001
            answers = self._read(TextAnswers, answer).answers
            best = max(answers, key=lambda each: each.confidenceScore, default=TextAnswer())
            return best.model_dump(), usage

        return await self._call(text, usage.characters, ANSWER_PATH, body, read)

    def _unexpected(self) -> Unavailable:
        failure = Unavailable(f"{self.name} answered with something that was not asked for")
        failure.has_answered = True
        return failure


def _summary_job(text: str, language: str) -> dict[str, Any]:
    """Return the body of a job that summarizes a text."""
    parameters = {"stringIndexType": "UnicodeCodePoint"}
    return {
        "analysisInput": {"documents": [{"id": "0", "text": text, "language": language}]},
        "tasks": [{"taskName": "0", "kind": "AbstractiveSummarization", "parameters": parameters}],
    }
