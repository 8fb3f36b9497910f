"""Small files of the types that models take."""

import base64
import struct
import zlib


def png(width: int = 2, height: int = 1) -> bytes:
    """Return an image in which all pixels are black, whatever its size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress((b"\0" + b"\0" * width) * height) if width * height < 10**6 else b""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg(width: int = 2, height: int = 1, thumbnail: int = 70_000) -> bytes:
    """Return the start of a photo, with its size behind two segments of a camera."""
    size = struct.pack(">BHH", 8, height, width)
    exif = b"".join(b"\xff\xe1" + struct.pack(">H", part + 2) + b"e" * part for part in (thumbnail // 2,) * 2)
    return b"\xff\xd8" + exif + b"\xff\xff\xc2" + struct.pack(">H", 11) + size + b"\x01\x11\0\0" + b"\xff\xda\0\x08"


def wav(seconds: int = 1) -> bytes:
    """Return silence at 8,000 bytes a second."""
    form = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    sound = form + b"data" + struct.pack("<I", 8000 * seconds) + b"\x80" * 8000 * seconds
    return b"RIFF" + struct.pack("<I", len(sound) + 4) + b"WAVE" + sound


PNG, JPEG, WAV = png(), jpeg(), wav()
GIF = b"GIF89a" + struct.pack("<HH", 2, 1) + b"\0\0\0;"
WEBP_LOSSY = b"RIFF\x1a\0\0\0WEBPVP8 \x0e\0\0\0\x10\x02\0\x9d\x01\x2a" + struct.pack("<HH", 2, 1) + b"\0" * 4
WEBP_LOSSLESS = b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f" + struct.pack("<I", 1) + b"\0" * 8
WEBP_EXTENDED = b"RIFF\x1a\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x01\0\0" + b"\0\0\0"
PDF = b"%PDF-1.4\n1 0 obj<</Type/Pages/Count 2>>\n2 0 obj<</Type /Page>>\n3 0 obj<</Type/Page/Parent 1 0 R>>\n%%EOF"
MP3 = b"ID3\x04\0\0\0\0\0\0" + b"\xff\xfb\x90\x64" + b"\0" * 400


def encoded(content: bytes) -> str:
    """Return a content in base64."""
    return base64.b64encode(content).decode()
