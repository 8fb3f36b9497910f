"""translate: a text into another language."""

from typing import ClassVar, Literal

from carteiro.schemas.reply import ReplySchema
from carteiro.schemas.request import LanguageTag, Request, Text, examples


class TranslateResult(ReplySchema):
    """The translation."""

    model_config = examples({"text": "O comboio parte às nove.", "source": "en", "target": "pt"})

    text: str
    source: str | None
    """The language of the request's text: as given, or as recognised; null where nobody can say."""
    target: str


class TranslateRequest(Request[TranslateResult]):
    """Translate a text. Languages are BCP 47 tags, such as `pt`, `pt-BR` or `zh-Hant`."""

    model_config = examples(
        {"text": "The train leaves at nine.", "target": "pt"},
        {"text": "Pode fechar a janela?", "source": "pt", "target": "en", "formality": "formal"},
    )
    task: ClassVar = "translate"
    result: ClassVar = TranslateResult

    text: Text
    target: LanguageTag
    source: LanguageTag | None = None
    """The text's language; by default it is recognised."""
    formality: Literal["formal", "informal"] | None = None
    """How to address the reader, for models that can choose."""
