"""Images, files and sounds in the bodies of requests, as each API has them."""

from typing import Any

import pytest

from carteiro.models.cloud.request_format import RequestFormat, SchemaMode
from carteiro.models.errors import Unsupported
from carteiro.models.interface import Message, PlacedFile, Prompt
from carteiro.schemas.media_file import MediaFile, read_media
from tests import media
from tests.unit.models.cloud.cloud_models import open_cloud_model

IMAGE, PDF, SOUND = read_media(media.PNG), read_media(media.PDF, "a.pdf"), read_media(media.WAV)
URL, PDF_URL = f"data:image/png;base64,{IMAGE.data}", f"data:application/pdf;base64,{PDF.data}"
SETTINGS = {
    "openai": {"OPENAI_API_KEY": "k"},
    "google": {"GEMINI_API_KEY": "k"},
    "mistral": {"MISTRAL_API_KEY": "k"},
    "anthropic": {"ANTHROPIC_API_KEY": "k"},
}


def prompt(*files: MediaFile, at: int = 4) -> Prompt:
    return Prompt(messages=[Message("user", "Why\n\nnot?", tuple(PlacedFile(each, at) for each in files))])


def parts(name: str, *files: MediaFile) -> list[dict[str, Any]]:
    body = open_cloud_model(name, **SETTINGS[name.partition(":")[0]]).body(prompt(*files))
    (message,) = body.get("messages") or body["input"]
    return message["content"]


def test_texts_and_files_keep_their_order() -> None:
    assert parts("openai:gpt-5", IMAGE) == [
        {"type": "text", "text": "Why"},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "not?"},
    ]


@pytest.mark.parametrize(
    ("name", "file", "part"),
    [
        ("openai:gpt-5", PDF, {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF_URL}}),
        (
            "openai:gpt-audio",
            SOUND,
            {"type": "input_audio", "input_audio": {"data": media.encoded(media.WAV), "format": "wav"}},
        ),
        (
            "openai:gpt-5",
            read_media(media.PNG, detail="low"),
            {"type": "image_url", "image_url": {"url": URL, "detail": "low"}},
        ),
        ("openai:gpt-5-pro", IMAGE, {"type": "input_image", "image_url": URL, "detail": "auto"}),
        ("openai:gpt-5-pro", PDF, {"type": "input_file", "filename": "a.pdf", "file_data": PDF_URL}),
        ("google:gemini", PDF, {"type": "image_url", "image_url": {"url": PDF_URL}}),
        ("mistral:m", PDF, {"type": "document_url", "document_url": PDF_URL, "document_name": "a.pdf"}),
        (
            "anthropic:claude",
            IMAGE,
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": IMAGE.data}},
        ),
        (
            "anthropic:claude",
            PDF,
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": PDF.data},
                "title": "a.pdf",
            },
        ),
    ],
)
def test_file_has_the_form_of_each_api(name: str, file: MediaFile, part: dict[str, Any]) -> None:
    assert parts(name, file)[1] == part


@pytest.mark.parametrize(
    ("name", "file", "kind"),
    [
        ("openai:gpt-3.5-turbo-instruct", IMAGE, "images"),
        ("openai:gpt-5-pro", SOUND, "sounds"),
        ("anthropic:claude", SOUND, "sounds"),
    ],
)
async def test_api_without_a_form_for_a_kind_is_not_called(name: str, file: MediaFile, kind: str) -> None:
    model = open_cloud_model(name, **SETTINGS[name.partition(":")[0]])
    with pytest.raises(Unsupported, match=f"{name} takes no {kind}$"):
        await model.complete(prompt(file))


def test_text_that_is_added_does_not_move_a_file() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    asked = Prompt(messages=[Message("system", "Be brief."), *prompt(IMAGE).messages], json_schema=schema)
    merged = RequestFormat(merges_system=True, schema=SchemaMode.PROMPT_ONLY).messages(asked)
    text, image, rest = merged[0]["content"]
    assert text["text"].startswith("Be brief.")
    assert text["text"].endswith("\n\nWhy")
    assert (image["type"], rest["text"]) == ("image_url", "not?")
