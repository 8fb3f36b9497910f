"""The translate task with a chat model."""


async def test_translate_returns_languages_formality_and_truncation(ask, provider):
    done = await ask("translate", [("Bon", "length")], text="Hello", source="en", target="fr-CA", formality="formal")
    assert (done.result.text, done.result.source, done.finish_reason) == ("Bon", "en", "length")
    prompt_text = provider.requests[-1].body["messages"][0]["content"]
    assert "from en into fr-CA" in prompt_text
    assert "formal way" in prompt_text
