"""Keys in files that are replaced."""

from pathlib import Path

import pytest

from carteiro.models.errors import Misconfigured
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import PROMPT, expect_failure, open_cloud_model

WRONG_KEY = {"error": {"message": "no", "code": "invalid_api_key"}}


def sent(provider: Provider) -> list[str]:
    return [request.headers["Authorization"].removeprefix("Bearer ") for request in provider.requests]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text("key-1\n")
    return file


def replace(file: Path, text: str) -> None:
    """Replace the file as Kubernetes and every careful writer do: another file takes its name."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@pytest.fixture
async def model(provider: Provider, file: Path):
    model = open_cloud_model("openai:gpt-4.1", OPENAI_API_KEY_FILE=str(file), OPENAI_BASE_URL=provider.url)
    yield model
    await model.close()


async def test_a_key_that_is_replaced_is_used_at_once(provider: Provider, file: Path, model) -> None:
    await model.load()
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    assert sent(provider) == ["key-1", "key-2"]


@pytest.mark.parametrize("malformed", ["", " \n", "key-é", None])
async def test_key_stays_while_its_file_is_invalid(malformed, provider: Provider, file: Path, model) -> None:
    file.unlink()
    if malformed is not None:
        file.write_text(malformed)
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    assert sent(provider) == ["key-1", "key-2"]


async def test_a_refused_key_is_read_again_and_the_call_made_with_the_new_one(
    provider: Provider, file: Path, model, monkeypatch: pytest.MonkeyPatch
) -> None:
    await model.complete(PROMPT)
    monkeypatch.setattr(model._endpoint.credential, "_stamp", lambda: model._endpoint.credential._seen)
    file.write_text("key-2")  # This is a file system that does not report changes.
    provider.answer(WRONG_KEY, 401)
    assert (await model.complete(PROMPT)).text == "one two three"
    assert sent(provider) == ["key-1", "key-1", "key-2"]


async def test_gemini_refuses_a_key_with_a_400(provider: Provider, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_cloud_model("google:gemini", GEMINI_API_KEY_FILE=str(file), GOOGLE_GEMINI_BASE_URL=provider.root)
    monkeypatch.setattr(model._endpoint.credential, "_stamp", lambda: model._endpoint.credential._seen)
    file.write_text("key-2")
    provider.answer([{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}], 400)
    await model.complete(PROMPT)
    await model.close()
    assert sent(provider) == ["key-1", "key-2"]


async def test_a_refused_key_that_is_the_only_one_is_not_tried_twice(provider: Provider, file: Path, model) -> None:
    provider.answer(WRONG_KEY, 401)
    assert "OPENAI_API_KEY_FILE" in (await expect_failure(model)).message
    replace(file, "key-2")
    provider.answer(WRONG_KEY, 401)
    assert isinstance(await expect_failure(model), Misconfigured)
    assert sent(provider) == ["key-1", "key-2"]


async def test_azures_key_comes_from_a_file_too(provider: Provider, file: Path) -> None:
    model = open_cloud_model("azure:my-gpt", AZURE_OPENAI_API_KEY_FILE=str(file), AZURE_OPENAI_ENDPOINT=provider.root)
    await model.complete(PROMPT)
    replace(file, "key-2")
    await model.complete(PROMPT)
    await model.close()
    assert [request.headers["api-key"] for request in provider.requests] == ["key-1", "key-2"]
