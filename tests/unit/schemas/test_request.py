"""Parts that all requests share."""

import pytest
from pydantic import ValidationError

from carteiro.schemas import Options
from carteiro.schemas.generate import GenerateRequest
from carteiro.schemas.sentiment import SentimentRequest
from carteiro.schemas.translate import TranslateRequest


@pytest.mark.parametrize("tag", ["pt", "pt-BR", "zh-Hant", "zh-Hant-TW", "es-419", "yue", "sl-rozaj", "de-CH-1996"])
def test_language_tags_of_bcp_47_are_valid(tag):
    assert TranslateRequest(text="x", target=tag).target == tag


@pytest.mark.parametrize("tag", ["", "p", "portuguese", "pt_BR", "pt-", "pt-BR\n", "12", "pt BR"])
def test_other_texts_are_not_language_tags(tag):
    with pytest.raises(ValidationError):
        TranslateRequest(text="x", target=tag)


@pytest.mark.parametrize(
    ("wait", "patience"), [("90s", 90), ("30m", 1800), ("24h", 86400), ("2d", 172800), (None, None)]
)
def test_wait_is_a_duration(wait: str | None, patience: float | None) -> None:
    found = Options(wait=wait).patience
    assert (found and found.total_seconds()) == patience


@pytest.mark.parametrize("wait", ["0s", "1", "-1h", "1w", "1 h", ""])
def test_other_texts_are_no_durations(wait: str) -> None:
    with pytest.raises(ValidationError):
        Options(wait=wait)


def test_reply_is_streamed_or_waited_for() -> None:
    with pytest.raises(ValidationError, match="either streamed or waited for"):
        Options(stream=True, wait="1h")


def test_json_has_only_the_fields_that_were_set() -> None:
    assert SentimentRequest(text="x").to_json() == b'{"text":"x"}'


def test_text_fills_the_field_of_the_request() -> None:
    assert SentimentRequest.from_text("x") == {"text": "x"}
    assert GenerateRequest.from_text("x") == {"prompt": "x"}


@pytest.mark.parametrize(
    "options",
    [
        {"top_p": 0},
        {"top_p": 1.1},
        {"stop": [""]},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"reasoning_effort": "much"},
        {"service_tier": "batch"},
        {"service_tier": "priority", "wait": "1h"},
        {"prompt_cache_key": "k" * 65},
    ],
)
def test_options_out_of_range_are_invalid(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)


def test_line_break_is_a_stop_text() -> None:
    assert Options(stop=["\n"]).stop == ["\n"]


def test_requests_without_options_share_the_default() -> None:
    body = b'{"text": "x"}'
    one, other = (SentimentRequest.model_validate_json(body) for _ in range(2))
    assert one.options is other.options
