"""The meaning of a model name's scheme: `Provider`, one for each module in `providers/`."""

from collections.abc import Callable
from dataclasses import dataclass

from carteiro.models.interface import Model
from carteiro.models.settings import ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """A provider or an engine: the models whose names begin with `scheme` and a colon.

    A new one is a module in `carteiro.models.providers` with a constant `PROVIDER`.
    """

    scheme: str
    aliases: tuple[str, ...] = ()
    """Other schemes of the same models, such as `https` for `http`."""
    has_default: bool = False
    """True if `scheme:` with nothing after it is a model."""
    tasks: tuple[str, ...] = ()
    """Tasks that its models can do, if they do not chat."""
    has_one_price: bool = False
    """True if all its models have the price of `scheme:`."""
    form: str
    """The form of its names, as errors show it."""
    open: Callable[[str, str, ModelSettings], Model]
    """Return the model, not yet loaded, for its name, the name's part after the colon, and the settings. Raise
    `ModelUnusable` if there is no such model."""
    open_embedder: Callable[[str, str, ModelSettings], Model] | None = None
    """The same for an embedding model; None if `open` knows an embedding model by its files."""
    remote: bool = False
    """True if its models are called over the network and paid for by price; False if they run on this machine."""
    has_batches: bool = False
    """True if it may have a batch API."""
    telemetry_name: str | None = None
    """`gen_ai.provider.name` of OpenTelemetry's conventions. If it is None, the scheme is used."""
