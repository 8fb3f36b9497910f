"""translate: a text in another language."""

from typing import Annotated, ClassVar, Literal

from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, LanguageTag, Request, examples
from carteiro.schemas.text_reference import LargeText


class TranslateResult(Result):
    """The translation."""

    model_config = examples({"text": "O comboio parte às nove.", "source": "en", "target": "pt"})

    text: str
    source: str | None
    """The language of the request's text, as given or as recognised; null if it is not known."""
    target: str

    def render(self) -> str:
        return self.text


class TranslateRequest(Request[TranslateResult]):
    """Translate a text. Languages are BCP 47 tags, such as `pt`, `pt-BR` or `zh-Hant`."""

    model_config = examples(
        {"text": "The train leaves at nine.", "target": "pt"},
        {"text": "Pode fechar a janela?", "source": "pt", "target": "en", "formality": "formal"},
    )
    task: ClassVar = "translate"
    result: ClassVar = TranslateResult
    streams: ClassVar = True
    writes: ClassVar = True

    text: LargeText
    target: Annotated[LanguageTag, CommandOption("to")]
    """The language to translate into, such as `pt` or `en-GB`."""
    source: Annotated[LanguageTag | None, CommandOption("from")] = None
    """The text's language; by default it is recognised."""
    formality: Literal["formal", "informal"] | None = None
    """Form of address for the reader, for models that support it."""
