"""Messages of prompts, from the parts of requests' messages."""

from carteiro.schemas.attachment import Attachment
from carteiro.schemas.chat import ChatMessage
from carteiro.schemas.media_file import read_media
from carteiro.tasks.messages import prompt_message, user_message
from tests import media

IMAGE = {"data": media.encoded(media.PNG)}


def message(*content: object) -> ChatMessage:
    return ChatMessage.model_validate({"role": "user", "content": list(content)})


def test_parts_keep_their_order() -> None:
    first, second = {"type": "text", "text": "A"}, {"type": "text", "text": "B"}
    image = read_media(media.PNG)
    assert prompt_message(message(IMAGE, first, IMAGE, second, IMAGE)).parts == [image, "A", image, "B", image]
    assert prompt_message(message(first, second)).parts == ["A\n\nB"]
    assert prompt_message(message(IMAGE)).parts == [image]
    plain = prompt_message(ChatMessage(role="user", content="A\n"))
    assert (plain.content, plain.files) == ("A\n", ())


def test_file_that_was_not_read_becomes_a_note() -> None:
    seen = prompt_message(message({"uri": "s3://a/b.png", "name": "b.png"}, {"type": "text", "text": "A"}))
    assert seen.content == "[An attached file, b.png, cannot be read any more.]\n\nA"
    assert seen.files == ()


def test_attachments_come_before_the_text() -> None:
    assert user_message("A", [Attachment(**IMAGE)]).parts == [read_media(media.PNG), "A"]


def test_text_before_a_message_comes_before_its_files_that_follow_a_text() -> None:
    told = prompt_message(message({"type": "text", "text": "A"}, IMAGE)).with_text_before("First")
    assert told.parts == ["First\n\nA", read_media(media.PNG)]
