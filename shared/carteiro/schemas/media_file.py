"""Images, PDF files and sounds: their type, size and tokens, read from their first bytes. Nothing is decoded.

So a small file that unpacks to a huge image costs no memory here, and is refused by its size in pixels.
"""

import base64
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Detail = Literal["auto", "low", "high"]
MediaKind = Literal["image", "pdf", "audio"]

MAX_PIXELS = 250_000_000
"""Maximum pixels of an image. The largest photos of telephones have 200 million."""
_TYPES: dict[str, MediaKind] = {
    "image/png": "image",
    "image/jpeg": "image",
    "image/gif": "image",
    "image/webp": "image",
    "application/pdf": "pdf",
    "audio/wav": "audio",
    "audio/mpeg": "audio",
}
_SIGNATURES = (
    (b"\x89PNG", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"WEBP", "image/webp"),
    (b"%PDF", "application/pdf"),
    (b"WAVE", "audio/wav"),
    (b"ID3", "audio/mpeg"),
)
"""First bytes of a file; of a RIFF file, those after the length of its content."""
TAKEN = "PNG, JPEG, GIF, WebP, PDF, WAV or MP3"
"""The types in a sentence."""
_MAX_IMAGE_TOKENS, _PIXELS_PER_TOKEN = 2500, 500
"""OpenAI's 32-pixel patches count up to 1,536 times 1.62, its tiles up to 1,445, Anthropic's 750 pixels up to 1,600
(https://platform.openai.com/docs/guides/images-vision, https://platform.claude.com/docs/en/build-with-claude/vision).
"""
_PAGE_TOKENS, _MIN_PAGE_BYTES, _MAX_PAGES = 3000, 100_000, 1000
"""Tokens of a page of a PDF file, as text and image (https://platform.claude.com/docs/en/build-with-claude/pdf-support).
A file whose pages are in compressed objects counts a page for so many bytes.
"""
_AUDIO_TOKENS, _MP3_RATE, _WAV_RATES = 32, 8000, (1000, 2_000_000)
"""Tokens of a second (https://ai.google.dev/gemini-api/docs/audio), bytes of a second of MP3 at 64 kbit/s, and the
least and the most bytes of a second of WAV: a header may say anything, and the estimate delays the calls of others.
"""
_PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segments of a JPEG file that hold its size."""
_JPEG_MARKER = re.compile(rb"\xff++[^\xff]", re.DOTALL)
"""A marker. Its first byte may be repeated."""
_MAX_JPEG_SEGMENTS = 1000
"""Maximum number of segments before that with the size. A photo has up to some dozens, of up to 64 KiB."""
_JPEG_PLAIN = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length."""


class MediaInvalid(ValueError):
    """Bytes are no file that models take. The message continues a sentence about the file."""


@dataclass(frozen=True, slots=True, repr=False)
class MediaFile:
    """A file for a model. `data` is its content in base64, `tokens` an estimate that is rather high."""

    data: str
    media_type: str
    tokens: int
    name: str
    detail: Detail | None = None
    """Resolution in which OpenAI's models read an image: `low`, `high` or `auto`."""

    @property
    def kind(self) -> MediaKind:
        """The kind, which decides about the form in which a provider takes it."""
        return _TYPES[self.media_type]

    @property
    def data_url(self) -> str:
        """The content as a `data:` URL."""
        return f"data:{self.media_type};base64,{self.data}"


def read_media(content: bytes, name: str | None = None, detail: Detail | None = None) -> MediaFile:
    """Return the file of this content. Its type is that of its bytes, whatever it was declared to be.

    Raise `MediaInvalid` if it has another type, is damaged at its start, or is too large an image.
    """
    media_type = _media_type(content)
    tokens = _tokens(content, media_type)
    name = name or f"file.{media_type.partition('/')[2]}"
    return MediaFile(base64.b64encode(content).decode(), media_type, tokens, name, detail)


def _media_type(content: bytes) -> str:
    begin = content.removeprefix(b"RIFF")[4:8] if content.startswith(b"RIFF") else content[:4]
    for signature, media_type in _SIGNATURES:
        if begin.startswith(signature):
            return media_type
    # The frame of an MPEG sound begins with 11 bits that are set, version, layer 3 and a rate.
    if begin[:1] == b"\xff" and len(begin) > 2 and begin[1] & 0xE6 == 0xE2 and begin[2] & 0xF0 != 0xF0:
        return "audio/mpeg"
    raise MediaInvalid(f"is no {TAKEN} file")


def _tokens(content: bytes, media_type: str) -> int:
    if media_type == "application/pdf":
        pages = max(len(_PAGE.findall(content)), math.ceil(len(content) / _MIN_PAGE_BYTES))
        return min(pages, _MAX_PAGES) * _PAGE_TOKENS
    if media_type in ("audio/wav", "audio/mpeg"):
        is_wave = media_type == "audio/wav" and content[12:16] == b"fmt "
        min_rate, max_rate = _WAV_RATES
        rate = min(max(int.from_bytes(content[28:32], "little"), min_rate), max_rate) if is_wave else _MP3_RATE
        return math.ceil(len(content) / rate) * _AUDIO_TOKENS
    width, height = _image_size(content, media_type)
    if width * height > MAX_PIXELS:
        raise MediaInvalid(f"has {width:,} x {height:,} pixels; at most {MAX_PIXELS:,}")
    return min(math.ceil(width * height / _PIXELS_PER_TOKEN) + 85, _MAX_IMAGE_TOKENS)


def _image_size(content: bytes, media_type: str) -> tuple[int, int]:
    """Return width and height in pixels. Raise `MediaInvalid` if the start of the image has none."""
    read: Callable[[bytes], tuple[int, int]] = {
        "image/png": _png_size,
        "image/gif": lambda each: (_little(each[6:8]), _little(each[8:10])),
        "image/webp": _webp_size,
        "image/jpeg": _jpeg_size,
    }[media_type]
    width, height = read(content)
    if not width or not height:
        raise MediaInvalid("is a damaged image: its size in pixels cannot be read")
    return width, height


def _little(part: bytes) -> int:
    return int.from_bytes(part, "little")


def _png_size(content: bytes) -> tuple[int, int]:
    if content[12:16] != b"IHDR":
        return 0, 0
    return int.from_bytes(content[16:20]), int.from_bytes(content[20:24])


def _webp_size(content: bytes) -> tuple[int, int]:
    match content[12:16]:
        case b"VP8X":
            size = _little(content[24:27]) + 1, _little(content[27:30]) + 1
        case b"VP8L":
            bits = _little(content[21:25])
            size = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            size = _little(content[26:28]) & 0x3FFF, _little(content[28:30]) & 0x3FFF
        case _:
            return 0, 0
    return size if len(content) >= 30 else (0, 0)


def _jpeg_size(content: bytes) -> tuple[int, int]:
    at = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        if not (found := _JPEG_MARKER.match(content, at)) or found.end() + 7 > len(content):
            break
        at, marker = found.end() - 2, found[0][-1]
        if marker in _JPEG_SIZES:
            return int.from_bytes(content[at + 7 : at + 9]), int.from_bytes(content[at + 5 : at + 7])
        if marker in _JPEG_PLAIN:
            at += 2
        elif marker == 0xDA:  # the pixels
            break
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return 0, 0
