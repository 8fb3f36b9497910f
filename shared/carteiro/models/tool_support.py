"""Refusal of tools by a model that cannot call them."""

from carteiro.models.errors import ModelError, Unsupported
from carteiro.models.prompt import Prompt


def reject_tools(prompt: Prompt, name: str, hint: str) -> None:
    """Raise `Unsupported` if the prompt has tools, or messages with calls. `name` is the model's name, and `hint` says
    which models can call tools.
    """
    if prompt.tools or any(message.tool_calls for message in prompt.messages):
        raise Unsupported(f"{name} cannot call tools: take {hint}", "tools")


def is_about_tools(error: ModelError) -> bool:
    """Return True if a model refused a prompt because of its tools."""
    return isinstance(error, Unsupported) and error.option in ("tools", "tool_choice")
