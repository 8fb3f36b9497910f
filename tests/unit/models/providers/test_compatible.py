"""Providers of the table: the address and the key of each, the quirks that spare a refused call, and the settings."""

from dataclasses import replace

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.format_negotiation import MAX_CALLS
from carteiro.models.compatible import COMPATIBLE_PROVIDERS, CompatibleProvider
from carteiro.models.errors import ModelUnusable, Unsupported
from carteiro.models.interface import EmbeddingModel
from carteiro.models.prompt import Message, PlacedFile, Prompt, ToolDefinition
from carteiro.models.providers.compatible import complete_address, endpoint
from carteiro.models.registry import find_provider, open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas.media_file import read_media
from tests import media
from tests.provider import Provider
from tests.provider.catalogue import BEHAVIOURS, Behaviour, CatalogueProvider

ROWS = {row.scheme: row for row in COMPATIBLE_PROVIDERS}
PLAYED = [each for each in BEHAVIOURS.values() if each.scheme]
PROMPT = Prompt(
    messages=[Message("user", "one two three")],
    seed=7,
    max_output_tokens=900,
    json_schema={
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    },
)
OLDER = ("groq", "vllm-0.5")
"""A model and a server that are older than the documentation, so that they refuse schemas."""
rows = pytest.mark.parametrize("row", COMPATIBLE_PROVIDERS, ids=list(ROWS))


@pytest.fixture(autouse=True)
def _no_variable_of_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in COMPATIBLE_PROVIDERS:
        for name in (row.key, f"{row.key}_FILE", row.address):
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("behaviour", PLAYED, ids=lambda each: each.name)
async def test_documented_quirks_spare_every_refused_call(behaviour: Behaviour) -> None:
    expected = MAX_CALLS if behaviour.name in OLDER else 1
    async with CatalogueProvider(behaviour) as provider:
        name, settings = behaviour.settings(provider.root)
        model = open_model(name, ModelSettings(**settings))
        await model.complete(PROMPT)  # type: ignore[attr-defined]
        await model.close()
        assert len(provider.requests) <= expected
        assert provider.refused <= expected - 1


def test_every_row_is_played_by_a_provider_of_the_catalogue() -> None:
    assert {each.scheme for each in PLAYED} == set(ROWS)


@rows
async def test_key_goes_to_its_own_address_and_nobody_elses_does(
    row: CompatibleProvider, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("OPENAI_API_KEY", "CARTEIRO_SERVER_API_KEY", *(each.key for each in COMPATIBLE_PROVIDERS)):
        monkeypatch.setenv(other, f"sk-of-{other}")
    monkeypatch.setenv(row.address, provider.url)
    model = open_model(f"{row.scheme}:echo", ModelSettings())
    await model.complete(Prompt(messages=PROMPT.messages, seed=7))  # type: ignore[attr-defined]
    await model.close()
    (request,) = provider.requests
    assert request.headers["Authorization"] == f"Bearer sk-of-{row.key}"
    assert not {value for value in request.headers.values() if "sk-of-" in value} - {f"Bearer sk-of-{row.key}"}
    assert (request.body["model"], request.body[row.seed]) == ("echo", 7)


@pytest.mark.parametrize(("part", "message"), [("tools", "cannot call tools"), ("images", "takes no images")])
async def test_row_without_an_ability_refuses_it_without_a_call(
    part: str, message: str, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = replace(ROWS["groq"], **{part: False})
    settings = ModelSettings(**{row.key: "sk", row.address: provider.url})  # type: ignore[arg-type]
    model = CloudModel("groq:m", endpoint("groq:m", "m", None, settings, row=row), timeout=5)
    picture = PlacedFile(read_media(media.PNG), 0)
    wanted = {
        "tools": replace(PROMPT, tools=[ToolDefinition("weather")]),
        "images": Prompt(messages=[Message("user", "What is it?", (picture,))]),
    }
    with pytest.raises(Unsupported, match=message):
        await model.complete(wanted[part])
    assert not provider.requests
    other = next(prompt for name, prompt in wanted.items() if name != part)
    await model.complete(other)
    assert len(provider.requests) == 1
    await model.close()


@rows
def test_missing_key_is_one_line_that_names_the_variable(row: CompatibleProvider) -> None:
    if not row.needs_key:
        assert open_model(f"{row.scheme}:m", ModelSettings())
        return
    with pytest.raises(ModelUnusable) as caught:
        open_model(f"{row.scheme}:m", ModelSettings())
    assert str(caught.value) == f"{row.scheme}:m needs a key: set {row.key} or {row.key}_FILE"


@rows
async def test_key_is_read_from_a_file_and_never_printed(
    row: CompatibleProvider, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("sk-filed\n")
    monkeypatch.setenv(f"{row.key}_FILE", str(tmp_path / "key"))
    assert await endpoint("x:m", "m", None, ModelSettings(), row=row).credential.get_value() == "sk-filed"
    monkeypatch.setenv(row.key, "sk-secret")
    settings = ModelSettings()
    assert settings.value(row.key).get_secret_value() == "sk-secret"
    assert "sk-secret" not in f"{settings!r} {settings} {settings.model_dump_json()}"
    with pytest.raises(ModelUnusable, match=f"{row.key} and {row.key}_FILE are both set"):
        endpoint("x:m", "m", None, settings, row=row)


@rows
def test_embedding_model_is_opened_if_the_row_has_any(row: CompatibleProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(row.key, "sk-1")
    provider = find_provider(f"{row.scheme}:m")
    assert provider is not None
    assert (provider.open_embedder is not None) == (row.embeddings is not None)
    model = open_model(f"{row.scheme}:m", ModelSettings(), (EmbeddingModel,))
    assert isinstance(model, EmbeddingModel) == (row.embeddings is not None)


@pytest.mark.parametrize(
    ("scheme", "given", "address"),
    [
        ("ollama", "0.0.0.0", "http://0.0.0.0:11434/v1"),
        ("ollama", "gpu.lan:9000", "http://gpu.lan:9000/v1"),
        ("ollama", "[::1]", "http://[::1]:11434/v1"),
        ("ollama", "https://ollama.com", "https://ollama.com/v1"),
        ("groq", "https://api.groq.com/", "https://api.groq.com/openai/v1"),
        ("groq", "http://gateway:4000/groq/v1/", "http://gateway:4000/groq/v1"),
        ("deepseek", "https://api.deepseek.com", "https://api.deepseek.com"),
    ],
)
def test_address_gets_what_it_lacks(scheme: str, given: str, address: str) -> None:
    assert complete_address(given, ROWS[scheme]) == address


@pytest.mark.parametrize("given", ["http://", "ftp://host", "http://user:pass@host", "host:port", "["])
def test_wrong_address_is_one_line_without_its_value(given: str) -> None:
    with pytest.raises(ModelUnusable, match="OLLAMA_HOST is no address without user and password") as caught:
        complete_address(given, ROWS["ollama"])
    assert "pass@" not in str(caught.value)
