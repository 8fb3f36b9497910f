"""Schemas of translate."""

from carteiro.schemas.translate import TranslateRequest, TranslateResult


def test_translation_is_shown() -> None:
    assert TranslateResult(text="Olá.", source="en", target="pt").render() == "Olá."


def test_reply_can_be_streamed() -> None:
    assert TranslateRequest.streams
