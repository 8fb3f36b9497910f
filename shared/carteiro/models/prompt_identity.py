"""The identity of a prompt: calls with the same one ask for the same completion."""

from dataclasses import asdict
from typing import Any

from carteiro.models.prompt import EmbeddingPrompt, Prompt


def prompt_identity(model: str, prompt: Prompt | EmbeddingPrompt) -> dict[str, Any]:
    """Return the data that identifies a prompt. It is not the request's body, which depends on the process: a process
    adapts the body to errors of the provider.
    """
    identity = {"model": model, **asdict(prompt)}
    identity.pop("rank", None)
    return identity | {"service_options": sorted(prompt.service_options)} if isinstance(prompt, Prompt) else identity
