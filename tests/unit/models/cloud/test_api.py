"""Choice of the API by the model's name."""

import pytest

from carteiro.models.cloud.api import default_api

MODELS = {
    "chat": """
        gpt-4.1-mini gpt-4o gpt-5 gpt-5.2 gpt-5.1-chat-latest o3 o4-mini gpt-3.5-turbo gpt-oss-120b my-production
        ft:gpt-4.1-mini-2025-04-14:pro:codex:id prompt-adapter
    """,
    "responses": """
        o1-pro o3-pro-2025-06-10 gpt-5-pro gpt-5.2-pro gpt-5-codex gpt-5.1-codex-max codex-mini-latest
        o3-deep-research o4-mini-deep-research-2025-06-26
    """,
    "completions": """
        davinci-002 babbage-002 gpt-3.5-turbo-instruct gpt-3.5-turbo-instruct-0914 davinci curie text-davinci-003
        text-ada-001 ft:davinci-002:org:name:id
    """,
}


@pytest.mark.parametrize("api", MODELS)
def test_api_of_a_model_by_its_name(api: str) -> None:
    assert {model: default_api(model) for model in MODELS[api].split()} == dict.fromkeys(MODELS[api].split(), api)
