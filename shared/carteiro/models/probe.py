"""The smallest call of a model, which shows that it answers."""

from carteiro.models.abilities import is_language_service, is_remote_embedder
from carteiro.models.interface import RemoteModel
from carteiro.models.prompt import Message, Prompt

_TEXT = "Say yes."


async def probe(model: RemoteModel, max_output_tokens: int) -> None:
    """Call the model with a short text. A model that chats writes at most `max_output_tokens` tokens.

    Raise the errors of `carteiro.models.errors`.
    """
    if is_remote_embedder(model):
        await model.embed([_TEXT])
        return
    if is_language_service(model):
        await model.probe()
        return
    # Reasoning models reject the limit, or use it up by reasoning: it is the service's own, so it may be left out.
    prompt = Prompt(
        messages=[Message("user", _TEXT)],
        max_output_tokens=max_output_tokens,
        service_options=frozenset({"max_output_tokens"}),
    )
    await model.complete(prompt)
