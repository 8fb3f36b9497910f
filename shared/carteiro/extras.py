"""Check that the optional dependencies ("extras") of a part of the package are installed."""

from importlib.util import find_spec


class ExtraMissing(ModuleNotFoundError):
    """A part of the package was imported without its extra. The message says how to install it."""


def needs(part: str, extra: str, *modules: str) -> None:
    """Raise `ExtraMissing` unless the modules that the part imports are installed."""
    for module in modules:
        if find_spec(module) is None:
            raise ExtraMissing(f"{part} needs {module}: pip install 'carteiro[{extra}]'", name=module)
