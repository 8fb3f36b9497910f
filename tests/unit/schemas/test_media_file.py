"""Types, sizes and tokens of files, by their bytes."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.schemas.media_file import MAX_PIXELS, MediaInvalid, read_media
from tests import media


@pytest.mark.parametrize(
    ("content", "media_type", "kind"),
    [
        (media.PNG, "image/png", "image"),
        (media.JPEG, "image/jpeg", "image"),
        (media.GIF, "image/gif", "image"),
        (media.WEBP_LOSSY, "image/webp", "image"),
        (media.WEBP_LOSSLESS, "image/webp", "image"),
        (media.WEBP_EXTENDED, "image/webp", "image"),
        (media.PDF, "application/pdf", "pdf"),
        (media.WAV, "audio/wav", "audio"),
        (media.MP3, "audio/mpeg", "audio"),
        (media.MP3[10:], "audio/mpeg", "audio"),
    ],
)
def test_type_is_that_of_the_bytes(content: bytes, media_type: str, kind: str) -> None:
    file = read_media(content)
    assert (file.media_type, file.kind) == (media_type, kind)
    assert file.data_url == f"data:{media_type};base64,{media.encoded(content)}"


@pytest.mark.parametrize("make", [media.png, media.jpeg])
def test_size_of_an_image_is_read_from_its_header(make) -> None:
    assert read_media(make(640, 480)).tokens == 700
    assert read_media(make(480, 640)).tokens == 700
    assert read_media(make(12_000, 12_000)).tokens == 2500
    with pytest.raises(MediaInvalid, match=r"has 50,000 x 50,000 pixels; at most 250,000,000"):
        read_media(make(50_000, 50_000))
    assert read_media(make(MAX_PIXELS // 10_000, 10_000))


@pytest.mark.parametrize("content", [media.WEBP_LOSSY, media.WEBP_LOSSLESS, media.WEBP_EXTENDED, media.GIF])
def test_every_form_has_the_size_of_its_image(content: bytes) -> None:
    assert read_media(content).tokens == 86


@pytest.mark.parametrize("content", [media.PNG[:12], media.JPEG[:1000], media.GIF[:6], media.WEBP_LOSSY[:27]])
def test_image_that_is_cut_in_its_header_is_refused(content: bytes) -> None:
    with pytest.raises(MediaInvalid, match="damaged"):
        read_media(content)


def test_tokens_follow_pages_and_seconds() -> None:
    assert read_media(media.PDF).tokens == 2 * 3000
    assert read_media(b"%PDF-1.7" + b"x" * 950_000).tokens == 10 * 3000, "pages in compressed objects are not seen"
    assert read_media(media.wav(20)).tokens == 21 * 32
    assert read_media(b"%PDF" + b"/Type/Page " * 5000).tokens == 1000 * 3000


@pytest.mark.parametrize("content", [b"", b"hello", b"MZ\x90\0", b"PK\3\4", b"<svg/>", b"RIFF\0\0\0\0AVI "])
def test_other_types_are_refused(content: bytes) -> None:
    with pytest.raises(MediaInvalid, match="is no PNG"):
        read_media(content)


@given(st.sampled_from([media.PNG, media.JPEG[:20], media.WEBP_LOSSY, media.GIF, b"ID3", b"%PDF"]), st.binary())
def test_any_bytes_are_a_file_or_refused(begin: bytes, rest: bytes) -> None:
    for content in (begin[: len(rest)] + rest, begin + rest, rest):
        with suppress(MediaInvalid):
            assert read_media(content).tokens > 0


@pytest.mark.parametrize("rest", [b"\xff" * 2**24, b"\xff\xe0\0\2" * 2**21], ids=["padding", "segments"])
@pytest.mark.timeout(10)
def test_start_of_an_image_without_an_end_takes_no_long_time(rest: bytes) -> None:
    with pytest.raises(MediaInvalid, match="damaged"):
        read_media(media.JPEG[:2] + rest)


def test_size_of_an_image_may_follow_padding() -> None:
    padded = media.JPEG[:2] + b"\xff" * 10_000 + media.JPEG[2:]
    assert read_media(padded).tokens == read_media(media.JPEG).tokens


@pytest.mark.parametrize(("rate", "tokens"), [(0, 33_568), (1, 33_568), (8000, 4224), (2**32 - 1, 32)])
def test_rate_that_no_sound_has_is_not_believed(rate: int, tokens: int) -> None:
    header = b"RIFF\0\0\0\0WAVEfmt ".ljust(28, b"\0") + rate.to_bytes(4, "little")
    assert read_media(header.ljust(2**20, b"\0")).tokens == tokens
