"""Refusal of files by models that do not take them."""

import pytest

from carteiro.models.errors import Unsupported
from carteiro.models.file_support import reject_files, unsupported_files
from carteiro.models.prompt import Message, PlacedFile, Prompt
from carteiro.schemas.media_file import read_media
from tests import media

FILES = tuple(PlacedFile(read_media(each), 0) for each in (media.PNG, media.WAV))
PROMPT = Prompt(messages=[Message("user", "Why?", FILES)])


def test_kinds_that_are_not_taken_are_named() -> None:
    with pytest.raises(Unsupported, match="^m takes no images and no sounds$") as caught:
        reject_files(PROMPT, "m")
    assert (caught.value.code, caught.value.retryable) == ("unsupported", False)
    with pytest.raises(Unsupported, match="^m takes no sounds$"):
        reject_files(PROMPT, "m", ["image"])
    reject_files(PROMPT, "m", ["image", "audio"])
    reject_files(Prompt(messages=[Message("user", "Why?")]), "m")
    assert unsupported_files("m").message == "m takes no images and no PDF files and no sounds"
