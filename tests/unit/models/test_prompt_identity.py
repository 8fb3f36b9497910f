from carteiro.models.prompt import EmbeddingPrompt, Message, Prompt
from carteiro.models.prompt_identity import prompt_identity


def test_prompts_that_differ_have_different_identities() -> None:
    prompt = Prompt(messages=[Message("user", "a")], service_options=frozenset({"max_output_tokens"}))
    same = Prompt(messages=[Message("user", "a")], service_options=frozenset({"max_output_tokens"}), rank=3)
    other = Prompt(messages=[Message("user", "b")], service_options=frozenset({"max_output_tokens"}))
    assert prompt_identity("m", prompt) == prompt_identity("m", same)
    assert prompt_identity("m", prompt) != prompt_identity("m", other)
    assert prompt_identity("m", prompt) != prompt_identity("n", prompt)


def test_texts_that_differ_have_different_identities() -> None:
    prompts = [
        EmbeddingPrompt(texts=("a", "b")),
        EmbeddingPrompt(texts=("a",)),
        EmbeddingPrompt(texts=("a",), dimensions=3),
    ]
    assert len({str(prompt_identity("m", prompt)) for prompt in prompts}) == 3
    assert prompt_identity("m", prompts[0]) == prompt_identity("m", EmbeddingPrompt(texts=("a", "b")))
