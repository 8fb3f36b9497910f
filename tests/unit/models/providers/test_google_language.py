"""Google's classifier: its credential, and the project that pays."""

import pytest

from carteiro.models.providers.google_language import service
from carteiro.models.settings import ModelSettings


def test_key_comes_before_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth.transport.requests")
    _, endpoint, _ = service("google-language:", "", ModelSettings())
    assert endpoint.url == "https://language.googleapis.com/v2"
    assert (endpoint.header, endpoint.credential.variable) == ("Authorization", "GOOGLE_APPLICATION_CREDENTIALS")
    monkeypatch.setenv("GOOGLE_API_KEY", "k")
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "p-2")
    _, endpoint, _ = service("google-language:", "", ModelSettings())
    assert (endpoint.header, endpoint.headers) == ("x-goog-api-key", {"x-goog-user-project": "p-2"})
