"""Google's translator: the names of its resources, which are in one region."""

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.providers.google_translate import service
from carteiro.models.settings import ModelSettings

CUSTOM = "projects/7/locations/us-central1/models/M1"


@pytest.fixture(autouse=True)
def _project(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.auth.transport.requests")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p-1")


def test_names_are_completed_by_project_and_region(monkeypatch: pytest.MonkeyPatch) -> None:
    _, endpoint, arguments = service("google-translate:", "", ModelSettings())
    assert endpoint.url == "https://translate.googleapis.com/v3/projects/p-1/locations"
    assert arguments == {"location": "global", "model": None, "glossary": None}
    monkeypatch.setenv("CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY", "ships")
    _, _, arguments = service("google-translate:", CUSTOM, ModelSettings())
    assert arguments == {
        "location": "us-central1",
        "model": CUSTOM,
        "glossary": "projects/p-1/locations/us-central1/glossaries/ships",
    }


@pytest.mark.parametrize(
    ("model", "settings", "words"),
    [
        ("", {"GOOGLE_CLOUD_PROJECT": ""}, "GOOGLE_CLOUD_PROJECT"),
        ("", {"GOOGLE_CLOUD_PROJECT": "p/../q"}, "is no name"),
        ("a b", {}, "'a b' is no model"),
        ("", {"CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY": "ships"}, "a glossary is in a region"),
        (
            CUSTOM,
            {"CARTEIRO_GOOGLE_TRANSLATE_GLOSSARY": "projects/7/locations/europe-west1/glossaries/g"},
            "different regions",
        ),
    ],
)
def test_settings_that_do_not_fit_are_named(
    model: str, settings: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ModelUnusable, match=words):
        service(f"google-translate:{model}", model, ModelSettings())
