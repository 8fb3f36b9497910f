"""Opens the models of an engine, which is a folder of this package and an extra."""

import importlib

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.local.inference.cores import engine_threads
from carteiro.models.settings import ModelSettings


def open_engine_model(name: str, source: str, settings: ModelSettings, *, engine: str) -> Model:
    """Return the model, not yet loaded. Raise `ModelUnusable` if the engine is not installed, or has no such model."""
    try:
        module = importlib.import_module(f"carteiro.models.local.{engine}.model")
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[{engine}]'") from None
    model: Model = module.open_model(name, source, settings.timeout, engine_threads(settings.local_threads))
    return model
