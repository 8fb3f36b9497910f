"""Images, files and sounds in requests: the forms that are taken, and what is refused."""

import json

import pytest
from pydantic import ValidationError

from carteiro.schemas.attachment import Attachment
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.field_errors import explain, field_errors
from carteiro.schemas.generate import GenerateRequest
from tests import media

PNG, PDF, WAV = map(media.encoded, (media.PNG, media.PDF, media.WAV))


@pytest.mark.parametrize(
    ("given", "kind", "name"),
    [
        ({"data": PNG}, "image", "file.png"),
        ({"type": "file", "data": PDF, "name": "invoice.pdf"}, "pdf", "invoice.pdf"),
        ({"data": f"data:image/png;base64,{PNG}"}, "image", "file.png"),
        ({"data": f"{PNG[:8]}\r\n{PNG[8:]}\n"}, "image", "file.png"),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}", "detail": "low"}},
            "image",
            "file.png",
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
            "pdf",
            "a.pdf",
        ),
        ({"type": "file", "file": {"file_data": PDF}}, "pdf", "file.pdf"),
        ({"type": "input_audio", "input_audio": {"data": WAV, "format": "mp3"}}, "audio", "file.wav"),
    ],
)
def test_our_form_and_that_of_openai_are_taken(given: dict, kind: str, name: str) -> None:
    read = Attachment.model_validate_json(json.dumps(given))
    assert read.media is not None
    assert (read.media.kind, read.media.name, read.address) == (kind, name, None)
    assert json.loads(read.model_dump_json(exclude_unset=True)) == given
    assert PNG not in repr(read)


@pytest.mark.parametrize(
    "given", [{"uri": "s3://a/b.png"}, {"type": "image_url", "image_url": {"url": "s3://a/b.png", "detail": "high"}}]
)
def test_content_is_added_to_an_address(given: dict) -> None:
    named = Attachment.model_validate(given)
    assert (named.address, named.media) == ("s3://a/b.png", None)
    read = named.with_content(media.PNG)
    assert read.media is not None
    assert read.media.data == PNG
    assert read.media.detail == given.get("image_url", {}).get("detail")
    assert named.media is None
    assert json.loads(read.model_dump_json(exclude_unset=True)) == given, "its JSON keeps the address only"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "attachments.0: needs one of uri and data, or the field of its type: file"),
        ({"uri": "s3://a/b", "data": PNG}, "attachments.0: needs one of uri and data, or the field of its type: file"),
        ({"type": "image_url", "file": {"file_data": PDF}}, "attachments.0: has file, but type image_url"),
        ({"data": "%%%"}, "attachments.0: has data that is not base64"),
        ({"data": "aGVsbG8="}, "attachments.0: is no PNG, JPEG, GIF, WebP, PDF, WAV or MP3 file"),
        (
            {"data": media.encoded(media.png(50_000, 50_000))},
            "attachments.0: has 50,000 x 50,000 pixels; at most 250,000,000",
        ),
        ({"file": {"file_data": PDF, "file_id": "f"}}, "attachments.0.file.file_id: is not a field of this request"),
        (
            {"type": "image_url", "image_url": {"url": "x" * 8193}},
            "attachments.0: has an address of more than 8,192 characters",
        ),
        ({"type": "video", "uri": "s3://a"}, "attachments.0.type: must be 'file', 'image_url' or 'input_audio'"),
        ({"uri": "s3://a", "name": "a\nb"}, "attachments.0.name: must have no control characters"),
    ],
)
def test_wrong_attachment_is_named_without_its_content(given: dict, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        GenerateRequest.model_validate_json(json.dumps({"prompt": "Why?", "attachments": [given]}))
    assert explain(field_errors(caught.value)) == problem


def chat(*parts: dict, role: str = "user", **more: object) -> ChatRequest:
    message = {"role": role, "content": list(parts)}
    messages = [message] if role == "user" else [message, {"role": "user", "content": "Hi"}]
    return ChatRequest.model_validate_json(json.dumps({"messages": messages, **more}))


def test_message_has_texts_and_attachments() -> None:
    message = chat({"type": "text", "text": "A"}, {"data": PNG}, {"type": "text", "text": "B"}).messages[0]
    assert message.text == "A\n\nB"
    assert [each.media and each.media.kind for each in message.attachments] == ["image"]
    assert not chat({"type": "text", "text": "A"}, role="assistant").messages[0].attachments


@pytest.mark.parametrize(
    ("parts", "more", "problem"),
    [
        ([], {}, "messages.0.content: must not be empty"),
        ([{"type": "text"}], {}, "messages.0.content.0.text: is missing"),
        (["A"], {}, "messages.0.content.0: must be an object"),
        (
            [{"data": PNG}],
            {"role": "assistant"},
            "messages.0.content: has images, files or sounds, which only a message of the user can have",
        ),
        ([{"data": PNG}], {"collection": "a"}, "request: the last message needs a text to search the collection with"),
        ([{"uri": "s3://a"}] * 101, {}, "messages.0.content: must have at most 100 entries"),
    ],
)
def test_wrong_parts_are_named(parts: list, more: dict, problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        chat(*parts, **more)
    assert explain(field_errors(caught.value)) == problem


def test_content_that_is_no_text_and_no_list_is_named_once() -> None:
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({"messages": [{"role": "user", "content": 7}]})
    assert explain(field_errors(caught.value)) == "messages.0.content: must be a text"


def test_data_is_in_memory_once() -> None:
    given = Attachment(data=PNG)
    assert given.media is not None
    assert given.media.data is given.data
