"""What a model's tokens cost. The table is data: `prices.toml`, and a file of the operator's that comes before it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carteiro.models.failures import ModelUnusable
from carteiro.schemas import Usage

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""OpenAI names a model's snapshots after their days; they cost what the model does."""


_BATCH = 0.5
"""What a token costs in a batch, as a share of its price (https://platform.openai.com/docs/guides/batch,
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch, https://ai.google.dev/gemini-api/docs/batch-api)."""


class Price(BaseModel):
    """US dollars for a million tokens. Without `cached_input`, cached tokens cost what others do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)

    def of(self, usage: Usage) -> float:
        """What these tokens cost, in US dollars."""
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        of_cached = self.input if self.cached_input is None else self.cached_input
        share = _BATCH if usage.service_tier == "batch" else 1.0
        full = (usage.input_tokens - cached) * self.input + cached * of_cached + usage.output_tokens * self.output
        return share * full / 1e6


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dated: date
    models: dict[str, Price]


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices by the names that replies call models."""

    models: Mapping[str, Price]

    def of(self, model: str) -> Price | None:
        """The price of a model; None where it is not known. One that runs in this process costs nothing."""
        if model.startswith("local:"):
            return Price(input=0, output=0)
        name = model.partition("?")[0]
        return self.models.get(name) or self.models.get(_SNAPSHOT.sub("", name))


def load_prices(own: Path | None = None) -> Prices:
    """Our table under the operator's `own`. Raises `ModelUnusable` where that cannot be read."""
    models = _read(files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")).models
    if own is not None:
        try:
            models |= _read(own.read_text(encoding="utf-8")).models
        except (OSError, ValueError) as error:
            wrong = _first(error) if isinstance(error, ValidationError) else str(error)
            raise ModelUnusable(f"CARTEIRO_PRICES: {own}: {wrong}") from None
    return Prices(models)


def _read(text: str) -> _Table:
    return _Table.model_validate(tomllib.loads(text))


def _first(error: ValidationError) -> str:
    wrong = error.errors()[0]
    return f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}"
