"""Base of the clouds' translators: a text in parts that a call takes, and its translation put together again."""

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from carteiro.models.cloud.language.service import LanguageService, run_parts, split_by_length
from carteiro.models.prompt import Tone
from carteiro.models.results import Translation
from carteiro.schemas import Usage
from carteiro.schemas.request import LANGUAGE_PATTERN


@dataclass(frozen=True, slots=True)
class TranslatedPart:
    """The translation of one part, and the language that the service recognised; None if it did not have to."""

    text: str
    source: str | None


class CloudTranslator(LanguageService):
    """A translator. A subclass makes the calls."""

    _max_length: ClassVar[int]
    """Longest text of a call."""

    @staticmethod
    @abstractmethod
    def _measure(text: str) -> int:
        """Return the length of a text, in the unit of `_max_length`."""

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate from `source`, recognised if it is None, to `target`; both are BCP 47 tags.

        Raise `Unsupported` if the service does not know one of the languages, and other errors of
        `carteiro.models.errors`.
        """
        return await self._translate(text, source, target, None)

    async def probe(self) -> None:
        """Translate one word."""
        await self._translate("yes", "en", "pt", None)

    async def _translate(self, text: str, source: str | None, target: str, tone: Tone | None) -> Translation:
        async def translate(part: str) -> tuple[TranslatedPart, Usage]:
            # Services drop white space at the ends of a text.
            sent = part.strip()
            if not sent:
                return TranslatedPart(part, None), Usage()
            translated, usage = await self._translate_part(sent, source, target, tone)
            lead = len(part) - len(part.lstrip())
            whole = part[:lead] + translated.text.strip() + part[len(part.rstrip()) :]
            return TranslatedPart(whole, translated.source), usage

        found = await run_parts(await split_by_length(text, self._max_length, self._measure), translate)
        sources = (part.source for part, _ in found if part.source and re.fullmatch(LANGUAGE_PATTERN, part.source))
        recognised = next(sources, "und")
        usage = sum((spent for _, spent in found), Usage())
        return Translation("".join(part.text for part, _ in found), source or recognised, usage)

    @abstractmethod
    async def _translate_part(
        self, text: str, source: str | None, target: str, tone: Tone | None
    ) -> tuple[TranslatedPart, Usage]:
        """Translate a text that one call takes."""
