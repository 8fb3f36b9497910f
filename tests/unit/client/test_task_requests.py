"""Builders of the requests of calls."""

from carteiro.client.task_requests import chat, generate
from carteiro.schemas.chat import ChatMessage


def test_text_is_accepted_as_a_list_of_one() -> None:
    assert generate("x", stop="END").request.options.stop == ["END"]
    message = {"role": "user", "content": "x"}
    expected = [ChatMessage(role="user", content="x")]
    for given in ("x", message, ChatMessage(**message), [message], (message,)):
        assert chat(given).request.messages == expected


def test_key_may_be_a_text_and_defaults_to_the_conversation() -> None:
    assert chat("x", key="a").key == b"a"
    assert chat("x", conversation_id="c").key == b"c"
    assert chat("x", conversation_id="c", key=b"k").key == b"k"
    assert generate("x").key is None
