"""Why a checkpoint cannot be loaded, in one line."""

from carteiro.models.failures import ModelUnusable

_LONGEST = 300


def unusable(location: str, error: BaseException) -> ModelUnusable:
    """The failure that says why: what the libraries raise may have any type and any number of lines."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        return ModelUnusable(f"{location} does not fit into memory: take a smaller model")
    if "trust_remote_code" in said:
        return ModelUnusable(
            f"{location} needs Python code that comes with it (trust_remote_code), and this service runs none: "
            "take a model that Transformers knows by itself"
        )
    return ModelUnusable(f"{location} cannot be loaded: {said[:_LONGEST]}")
