"""A provider's own words in an error, without the caller's text and without secrets."""

from typing import Any

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.error_text import ErrorText
from carteiro.models.cloud.errors import failure_of_response
from carteiro.models.errors import (
    InvalidPrompt,
    ModelError,
)
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import PROMPT, endpoint, expect_failure
from tests.unit.models.cloud.error_bodies import error

pytestmark = pytest.mark.timeout(60)


SERVER = endpoint("http://nowhere")


def failure_for(status: int, body: Any, request_body: Any = None) -> ModelError:
    return failure_of_response(status, body, "openai:echo", SERVER, None, request_body)


PHRASES = [
    "invalid api key",
    "insufficient balance",
    "rate limit reached",
    "the prompt is too long",
    "content policy",
    "model does not exist",
]


@pytest.mark.parametrize("phrase", PHRASES)
@pytest.mark.parametrize("quotes", ["''", '""', "``", "“”"])
def test_phrase_that_is_quoted_is_not_the_providers(phrase: str, quotes: str) -> None:
    quoted = f"{quotes[0]}{phrase}{quotes[1]}"
    failed = failure_for(400, error(f"Invalid schema: property {quoted} has no type"))
    assert type(failed) is InvalidPrompt


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrase_of_the_callers_schema_is_not_the_providers(phrase: str) -> None:
    request_body = {"response_format": {"json_schema": {"schema": {"properties": {phrase: {}}}}}}
    assert (
        type(failure_for(400, error(f"Invalid value in property {phrase} of the schema"), request_body))
        is InvalidPrompt
    )


@pytest.mark.parametrize("phrase", PHRASES)
def test_phrase_of_the_callers_prompt_is_not_the_providers(phrase: str) -> None:
    request_body = {
        "messages": [{"role": "user", "content": f"Why does the log say that {phrase} in the night shift?"}]
    }
    message = f"Could not parse: Why does the log say that {phrase} in the ni"
    assert type(failure_for(400, error(message), request_body)) is InvalidPrompt


def test_phrase_that_only_the_callers_words_complete_is_not_the_providers() -> None:
    request_body = {"messages": [{"role": "user", "content": "Tell me why it says: the prompt is too long, or so"}]}
    message = "Invalid message: Tell me why it says: the prompt is too long, or so"
    assert type(failure_for(400, error(message), request_body)) is InvalidPrompt


async def test_callers_own_words_are_known_to_a_call(provider: Provider, model: CloudModel) -> None:
    provider.answer(error(f"Cannot tokenize: {PROMPT.messages[1].content}"), 400)
    assert "one two three" not in (await expect_failure(model)).message


def test_message_is_shown_without_secrets_and_long_quotations() -> None:
    story = "Once upon a time a letter carrier lost a letter in the snow"
    message = f"Bad key sk-proj-abc123def456ghi789 of me@example.org: '{story}' is not valid"
    shown = failure_for(400, error(message)).message
    assert "is not valid" in shown
    for secret in ("abc123def456", "me@example.org", "letter carrier"):
        assert secret not in shown


def test_data_of_files_is_not_compared_with_the_message() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 300_000}}
    asked = {
        "messages": [{"role": "user", "content": [image, {"type": "text", "text": "The secret of the lighthouse"}]}]
    }
    asked["messages"][0]["content"].insert(0, {"type": "input_audio", "input_audio": {"data": "B" * 300_000}})
    text = ErrorText(["No: The secret of the lighthouse"], frozenset(), asked)
    assert text.safe_message() == "No: …"
