"""Why a checkpoint cannot be loaded, or a model gave no answer, in one line."""

from carteiro.models.failures import ModelUnusable, Unavailable

_LONGEST = 300
_NO_MEMORY = frozenset({"OutOfMemoryError", "ResourceExhaustedError"})
"""What PyTorch (on a GPU) and TensorFlow call it. By name, since neither need be installed."""


def unusable(location: str, error: BaseException) -> ModelUnusable:
    """The failure that says why: what the libraries raise may have any type and any number of lines."""
    said = _in_one_line(error)
    if isinstance(error, MemoryError):
        return ModelUnusable(f"{location} does not fit into memory: take a smaller model")
    if "trust_remote_code" in said:
        return ModelUnusable(
            f"{location} needs Python code that comes with it (trust_remote_code), and this service runs none: "
            "take a model that Transformers knows by itself"
        )
    if isinstance(error, ImportError):
        return ModelUnusable(f"{location} needs a package that is not installed: {said[:_LONGEST]}")
    return ModelUnusable(f"{location} cannot be loaded: {said[:_LONGEST]}")


def failed(name: str, error: BaseException) -> Unavailable:
    """The failure of a model for a reason that only its engine knows."""
    return Unavailable(f"the model {name} failed: {_in_one_line(error)[:_LONGEST]}")


def too_slow(name: str, seconds: float) -> Unavailable:
    """The failure of a model that had so many seconds."""
    return Unavailable(f"the model {name} took longer than {seconds:g} s")


def too_little_memory(name: str) -> Unavailable:
    """The failure of a model that needed more memory than there was."""
    return Unavailable(f"the model {name} ran out of memory")


def out_of_memory(error: BaseException) -> bool:
    """Whether there was too little memory. On a CPU, PyTorch has only words for it."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    return isinstance(error, MemoryError) or bool(kinds & _NO_MEMORY) or "can't allocate memory" in str(error)


def _in_one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
