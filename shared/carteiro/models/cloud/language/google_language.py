"""Google's Cloud Natural Language, version 2 (https://cloud.google.com/natural-language/docs/reference/rest/v2).

The limits are those of https://cloud.google.com/natural-language/quotas.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.language_tags import GOOGLE, source_code
from carteiro.models.cloud.language.sentiment import weighted_mean
from carteiro.models.cloud.language.service import (
    LanguageService,
    billed_in_thousands,
    run_parts,
    split_by_length,
)
from carteiro.models.cloud.quota import Quota
from carteiro.models.errors import Unsupported
from carteiro.models.results import Classification
from carteiro.schemas import Usage
from carteiro.text.units import utf8_length

PATH = "/documents:analyzeSentiment"
_MAX_BYTES = 1_000_000
_NEUTRAL_SCORE = 0.25
"""Score up to which Google calls a sentiment neutral."""


class _Sentiment(BaseModel):
    score: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)] = 0.0  # A zero may be left out.


class _FoundAnswer(BaseModel):
    documentSentiment: _Sentiment  # noqa: N815 - the service's own name
    languageCode: str = ""  # noqa: N815
    languageSupported: bool = False  # noqa: N815


class GoogleLanguage(LanguageService):
    """Google's classifier of sentiment."""

    def __init__(
        self, name: str, endpoint: Endpoint, language: str, *, timeout: float, quota: Quota | None = None
    ) -> None:
        """`language` is the language of all texts as a BCP 47 tag; if it is empty, it is recognised."""
        super().__init__(name, endpoint, timeout=timeout, quota=quota)
        self._language = source_code(language, GOOGLE)

    async def classify(self, text: str) -> Classification:
        """Return the probabilities of positive, negative and neutral.

        Raise `Unsupported` if the service does not know the text's language, and other errors of
        `carteiro.models.errors`.
        """
        parts = await split_by_length(text, _MAX_BYTES, utf8_length)
        found = await run_parts(parts, self._classify_part)
        weighted = ((probabilities, len(part)) for part, (probabilities, _) in zip(parts, found, strict=True))
        return Classification(weighted_mean(weighted), sum((spent for _, spent in found), Usage()))

    async def probe(self) -> None:
        """Classify one word."""
        await self._classify_part("good")

    async def _classify_part(self, text: str) -> tuple[dict[str, float], Usage]:
        charged = billed_in_thousands(text)
        document = {"type": "PLAIN_TEXT", "content": text}
        if self._language:
            document["languageCode"] = self._language

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[dict[str, float], Usage]:  # noqa: ARG001
            found = self._read(_FoundAnswer, answer)
            if not found.languageSupported:
                failure = Unsupported(f"{self.name} does not know the language {found.languageCode[:20]!r}")
                failure.usage = Usage(characters=charged)
                raise failure
            return _probabilities(found.documentSentiment.score), Usage(characters=charged)

        answer = await self._call(text, charged, PATH, {"document": document, "encodingType": "UTF32"}, read)
        return answer.content, answer.usage


def _probabilities(score: float) -> dict[str, float]:
    """Return probabilities for a score from -1 to 1. At `_NEUTRAL_SCORE` the polar and the neutral label are equal."""
    size = abs(score)
    polar = size / _NEUTRAL_SCORE / 2 if size <= _NEUTRAL_SCORE else (0.5 + (size - 0.25) / (1 - _NEUTRAL_SCORE) / 2)
    label, other = ("positive", "negative") if score >= 0 else ("negative", "positive")
    return {label: polar, other: 0.0, "neutral": 1 - polar}
