"""Endpoints of Google's models."""

from pathlib import Path

import pytest

from carteiro.models.errors import ModelUnusable
from tests.unit.models.cloud.cloud_models import open_cloud_model


@pytest.mark.parametrize(
    ("location", "url"),
    [
        # https://cloud.google.com/vertex-ai/generative-ai/docs/migrate/openai/overview and .../learn/locations
        ({}, "https://aiplatform.googleapis.com/v1/projects/p-1/locations/global/endpoints/openapi/"),
        (
            {"GOOGLE_CLOUD_LOCATION": "europe-west4"},
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/p-1/locations/europe-west4/endpoints/openapi/",
        ),
    ],
)
async def test_vertex_url_of_each_location(location: dict[str, str], url: str) -> None:
    model = open_cloud_model("google:gemini-2.5-flash", GOOGLE_CLOUD_PROJECT="p-1", **location)
    assert str(model._client.base_url) == url
    assert model._endpoint.model == "google/gemini-2.5-flash"
    await model.close()


async def test_a_gemini_key_comes_before_a_project() -> None:
    model = open_cloud_model("google:gemini", GEMINI_API_KEY="k", GOOGLE_CLOUD_PROJECT="p")
    assert model._endpoint.credential.variable == "GEMINI_API_KEY"
    await model.close()


async def test_missing_credentials_of_google_make_the_model_unusable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("google.auth.transport.requests")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none"))
    model = open_cloud_model("google:gemini", GOOGLE_CLOUD_PROJECT="p-1")
    with pytest.raises(ModelUnusable, match="GOOGLE_APPLICATION_CREDENTIALS"):
        await model.load()
    await model.close()
