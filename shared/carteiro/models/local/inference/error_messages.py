"""Errors with one-line messages: a checkpoint cannot be loaded, or a model gave no answer."""

from carteiro.models.errors import ModelUnusable, Unavailable

_MAX_MESSAGE_CHARACTERS = 300
_OUT_OF_MEMORY_ERRORS = frozenset({"OutOfMemoryError", "ResourceExhaustedError"})
"""Error classes of PyTorch (on a GPU) and TensorFlow, by name, because neither has to be installed."""


def load_error(location: str, error: BaseException) -> ModelUnusable:
    """Return the error for a checkpoint that cannot be loaded, with a one-line reason."""
    reason = _single_line(error)
    if isinstance(error, MemoryError):
        return ModelUnusable(f"{location} does not fit into memory: take a smaller model")
    if "trust_remote_code" in reason:
        return ModelUnusable(
            f"{location} needs Python code that comes with it (trust_remote_code), and this service runs none: "
            "take a model that Transformers knows by itself"
        )
    if isinstance(error, ImportError):
        return ModelUnusable(f"{location} needs a package that is not installed: {reason[:_MAX_MESSAGE_CHARACTERS]}")
    return ModelUnusable(f"{location} cannot be loaded: {reason[:_MAX_MESSAGE_CHARACTERS]}")


def engine_error(name: str, error: BaseException) -> Unavailable:
    """Return the error of a model whose engine failed."""
    return Unavailable(f"the model {name} failed: {_single_line(error)[:_MAX_MESSAGE_CHARACTERS]}")


def timeout_error(name: str, seconds: float) -> Unavailable:
    """Return the error of a model that took longer than `seconds`."""
    return Unavailable(f"the model {name} took longer than {seconds:g} s")


def out_of_memory_error(name: str) -> Unavailable:
    """Return the error of a model that ran out of memory."""
    return Unavailable(f"the model {name} ran out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if the memory was too small. On a CPU, PyTorch tells it only in the message."""
    class_names = {cls.__name__ for cls in type(error).__mro__}
    return (
        isinstance(error, MemoryError)
        or bool(class_names & _OUT_OF_MEMORY_ERRORS)
        or "can't allocate memory" in str(error)
    )


def _single_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
