"""Texts, references and attachments are found wherever they stand in a request."""

from carteiro.schemas.attachment import Attachment
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.large_content import find_content, replace_content
from carteiro.schemas.text_reference import TextReference

PARTS = [{"type": "text", "text": {"uri": "s3://a/text"}}, {"uri": "s3://a/file"}, {"type": "text", "text": "B"}]
REQUEST = ChatRequest.model_validate(
    {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": PARTS}]}
)


def test_parts_of_a_message_are_found() -> None:
    assert dict(find_content(REQUEST)) == {
        "messages.0.content": "Be brief.",
        "messages.1.content.0.text": TextReference(uri="s3://a/text"),
        "messages.1.content.1": Attachment(uri="s3://a/file"),
        "messages.1.content.2.text": "B",
    }


def test_parts_of_a_message_are_replaced() -> None:
    new = replace_content(REQUEST, {TextReference(uri="s3://a/text"): "A", "B": "C"})
    assert new.messages[1].text == "A\n\nC"
    assert new.messages[1].attachments == [Attachment(uri="s3://a/file")]
    assert new.messages[0] is REQUEST.messages[0]
    assert replace_content(REQUEST, {"Z": "Y"}) is REQUEST
