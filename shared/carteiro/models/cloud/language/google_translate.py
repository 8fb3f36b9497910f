"""Google's Cloud Translation, version 3 (https://cloud.google.com/translate/docs/reference/rest/v3).

The limits are those of https://cloud.google.com/translate/quotas.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Field

from carteiro.models.cloud.endpoint import Endpoint
from carteiro.models.cloud.language.language_tags import GOOGLE, source_code, target_code
from carteiro.models.cloud.language.translator import CloudTranslator, TranslatedPart
from carteiro.models.cloud.quota import Quota
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Tone
from carteiro.schemas import Usage

_DETECTED_CHARACTERS = 1000
"""Characters by which a language is recognised."""
_LLM = "general/translation-llm"
"""A large language model. Its translations cost as much as the texts."""


class _Translation(BaseModel):
    translatedText: str  # noqa: N815 - the service's own name
    detectedLanguageCode: str = ""  # noqa: N815


class _TranslationsAnswer(BaseModel):
    translations: Annotated[list[_Translation], Field(min_length=1)]
    glossaryTranslations: list[_Translation] = []  # noqa: N815


class _Language(BaseModel):
    languageCode: Annotated[str, Field(min_length=1)]  # noqa: N815


class _Languages(BaseModel):
    languages: Annotated[list[_Language], Field(min_length=1)]


class GoogleTranslate(CloudTranslator):
    """Google's translator, with a model and a glossary if they are named."""

    _max_length = 30_000

    @staticmethod
    def _measure(text: str) -> int:
        return len(text)

    def __init__(
        self,
        name: str,
        endpoint: Endpoint,
        location: str,
        *,
        model: str | None = None,
        glossary: str | None = None,
        timeout: float,
        quota: Quota | None = None,
    ) -> None:
        """`location` is the region of the calls, below the address. `model` and `glossary` are resource names there,
        `projects/P/locations/L/models/M` and `.../glossaries/G`.
        """
        super().__init__(name, endpoint, timeout=timeout, quota=quota)
        self._location, self._model, self._glossary = location, model, glossary
        self._is_general = model is None or "/models/general/" in model

    async def _translate_part(
        self, text: str, source: str | None, target: str, tone: Tone | None
    ) -> tuple[TranslatedPart, Usage]:
        assert tone is None
        code = source_code(source, GOOGLE) if source else None
        usage = Usage()
        if code is None and (self._glossary or not self._is_general):
            # Neither a glossary nor a custom model is taken without the source.
            code, usage = await self._detect(text[:_DETECTED_CHARACTERS])
        body: dict[str, Any] = {
            "contents": [text],
            "mimeType": "text/plain",
            "targetLanguageCode": target_code(target, GOOGLE),
        }
        if code:
            body["sourceLanguageCode"] = code
        if self._model:
            body["model"] = self._model
        if self._glossary:
            body["glossaryConfig"] = {"glossary": self._glossary}

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[list[str | None], Usage]:  # noqa: ARG001
            found = self._read(_TranslationsAnswer, answer)
            best = (found.glossaryTranslations if self._glossary else []) or found.translations
            written = len(best[0].translatedText) if (self._model or "").endswith(_LLM) else 0
            recognised = found.translations[0].detectedLanguageCode or (None if source else code)
            return [best[0].translatedText, recognised], Usage(characters=len(text) + written)

        answer = await self._call(text, len(text), f"/{self._location}:translateText", body, read)
        return TranslatedPart(*answer.content), usage + answer.usage

    async def _detect(self, text: str) -> tuple[str, Usage]:
        """Return the language of a text. Raise `Unsupported` if it cannot be recognised."""

        def read(answer: Any, headers: Mapping[str, str]) -> tuple[str, Usage]:  # noqa: ARG001
            return self._read(_Languages, answer).languages[0].languageCode, Usage(characters=len(text))

        body = {"content": text, "mimeType": "text/plain"}
        answer = await self._call(text, len(text), f"/{self._location}:detectLanguage", body, read)
        code: str = answer.content
        if code == "und":
            raise Unsupported(f"{self.name} does not recognise the text's language: set source")
        return code, answer.usage
