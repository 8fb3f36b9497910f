"""Azure Translator, API version 2026-06-06.

Reference: https://learn.microsoft.com/azure/ai-services/translator/text-translation/2026-06-06/translate-api, and its
limits: https://learn.microsoft.com/azure/ai-services/translator/service-limits.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.language_tags import AZURE, source_code, target_code
from carteiro.models.cloud.language.service import count
from carteiro.models.cloud.language.translator import CloudTranslator, TranslatedPart
from carteiro.models.cloud.quota import Quota
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Tone
from carteiro.models.results import Translation
from carteiro.schemas import Usage
from carteiro.text.units import utf16_length

PATH = "/translate"
API_VERSION = "2026-06-06"


class _DetectedLanguage(BaseModel):
    language: str


class _MeteredTranslation(BaseModel):
    text: str
    sourceCharacters: Any = None  # noqa: N815 - the service's own name
    instructionTokens: Any = None  # noqa: N815
    sourceTokens: Any = None  # noqa: N815
    targetTokens: Any = None  # noqa: N815


class _Item(BaseModel):
    translations: Annotated[list[_MeteredTranslation], Field(min_length=1)]
    detectedLanguage: _DetectedLanguage | None = None  # noqa: N815


class _ItemsAnswer(BaseModel):
    value: Annotated[list[_Item], Field(min_length=1)]


class AzureTranslator(CloudTranslator):
    """Azure's translator: the standard neural one, or the one that a deployment names."""

    _max_length = 50_000

    @staticmethod
    def _measure(text: str) -> int:
        return utf16_length(text)

    def __init__(
        self, name: str, endpoint: Endpoint, deployment: str, *, timeout: float, quota: Quota | None = None
    ) -> None:
        """`deployment` is a large language model of the resource, or a custom translator; empty for the standard."""
        super().__init__(name, endpoint, timeout=timeout, quota=quota)
        self._deployment = deployment

    async def translate_in_tone(self, text: str, source: str | None, target: str, tone: Tone) -> Translation:
        """Translate as `translate` does, in this tone. Raise `Unsupported` if no deployment is named.

        Only large language models have tones.
        """
        if not self._deployment:
            raise Unsupported(
                f"{self.name} cannot choose the formality: name a large language model, azure-translator:DEPLOYMENT"
            )
        return await self._translate(text, source, target, tone)

    async def _translate_part(
        self, text: str, source: str | None, target: str, tone: Tone | None
    ) -> tuple[TranslatedPart, Usage]:
        wanted: dict[str, Any] = {"language": target_code(target, AZURE)}
        if self._deployment:
            wanted["deploymentName"] = self._deployment
        if tone:
            # The standard translator, to which the service falls back, has no tones.
            wanted |= {"tone": tone, "allowFallback": False}
        item: dict[str, Any] = {"text": text}
        if source:
            item["language"] = source_code(source, AZURE)
        body = {"inputs": [{**item, "targets": [wanted]}]}

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[list[str | None], Usage]:
            item = self._read(_ItemsAnswer, answer).value[0]
            recognised = item.detectedLanguage.language if item.detectedLanguage else None
            return [item.translations[0].text, recognised], _usage(item.translations[0], headers, len(text))

        answer = await self._call(text, len(text), PATH, body, read)
        return TranslatedPart(*answer.content), answer.usage


def _usage(translation: _MeteredTranslation, headers: Mapping[str, str], characters: int) -> Usage:
    """Return what is charged: tokens of a large language model, else the characters that the service or we count."""
    read, written = count(translation.sourceTokens), count(translation.targetTokens)
    if read or written:
        return Usage(
            input_tokens=read + count(translation.instructionTokens),
            output_tokens=written,
            characters=count(translation.sourceCharacters),
        )
    metered = count(headers.get("x-metered-usage"), characters)
    return Usage(characters=count(translation.sourceCharacters, metered))
