"""Messages with files: the order of their texts and files."""

from carteiro.models.prompt import Message, PlacedFile
from carteiro.schemas.media_file import MediaFile, read_media
from tests.media import PNG

IMAGE = read_media(PNG)


def message(content: str, *positions: int) -> Message:
    return Message("user", content, tuple(PlacedFile(IMAGE, each) for each in positions))


def test_files_part_the_text_where_they_stand() -> None:
    parts: list[list[str | MediaFile]] = [
        message("one\n\ntwo", 0).parts,
        message("one\n\ntwo", 5).parts,
        message("one\n\ntwo", 5, 8).parts,
        message("", 0, 0).parts,
        message("one").parts,
    ]
    assert parts == [
        [IMAGE, "one\n\ntwo"],
        ["one", IMAGE, "two"],
        ["one", IMAGE, "two", IMAGE],
        [IMAGE, IMAGE],
        ["one"],
    ]


def test_files_keep_their_places_behind_a_text_that_comes_first() -> None:
    moved = message("one\n\ntwo", 5).with_text_before("Rules.")
    assert moved.parts == ["Rules.\n\none", IMAGE, "two"]
