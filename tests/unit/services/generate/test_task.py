"""The generate task."""

import pytest

from carteiro.models.errors import InvalidOutput, InvalidPrompt
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas import REQUESTS
from tests.unit.services.conftest import TASKS


@pytest.mark.parametrize("output", ['{"n": "one"}', '{"n": NaN}', '{"n": 1e999}', '{"m": 1}', "no", '{"n": "\\ud800"}'])
async def test_generate_checks_the_schema_itself(ask, output):
    schema = {"type": "object", "properties": {"n": {"type": "number"}}, "required": ["n"]}
    with pytest.raises(InvalidOutput, match="does not follow json_schema"):
        await ask("generate", [output, output], prompt="x", json_schema=schema)
    assert (await ask("generate", ['{"n": 1}'], prompt="x", json_schema=schema)).result.data == {"n": 1}


async def test_generate_rejects_a_schema_with_remote_references(ask):
    with pytest.raises(InvalidPrompt, match="json_schema"):
        await ask(
            "generate",
            [],
            prompt="x",
            json_schema={"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:1/"}}},
        )


async def test_key_of_openai_goes_to_no_other_server(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-openai")
    model = open_model(f"{provider.url}#echo", ModelSettings())
    await TASKS["generate"].run(
        REQUESTS["generate"].model_validate({"prompt": "x", "options": {"max_output_tokens": 3}}), model
    )
    await model.close()
    assert "sk-only-for-openai" not in str(provider.requests[-1].headers)
    assert provider.requests[-1].body["max_tokens"] == 3


async def test_openai_with_another_address_gets_the_key(provider, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-the-gateway")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    model = open_model("openai:echo", ModelSettings())
    await TASKS["generate"].run(
        REQUESTS["generate"].model_validate({"prompt": "x", "options": {"max_output_tokens": 3}}), model
    )
    await model.close()
    assert provider.requests[-1].headers["authorization"] == "Bearer sk-for-the-gateway"
    assert provider.requests[-1].body["max_completion_tokens"] == 3
