"""Prices of tokens and characters: the table `prices.toml`, and a file of the operator's that overrides it."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from carteiro.models.errors import ModelUnusable
from carteiro.models.registry import find_provider
from carteiro.schemas import Usage
from carteiro.schemas.field_errors import explain, field_errors

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}$")
"""Date at the end of the names of OpenAI's model snapshots; a snapshot has the price of its model."""


_BATCH_PRICE_FACTOR = 0.5
"""Price of a token in a batch, as a share of its normal price (https://platform.openai.com/docs/guides/batch,
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/batch, https://ai.google.dev/gemini-api/docs/batch-api).
"""


class Price(BaseModel):
    """US dollars for a million tokens, or for a million characters of a language service.

    Without `cached_input`, cached tokens have the price of other input tokens. With `characters`, the others may be
    left out.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)
    characters: float = Field(default=0.0, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _tokens_are_free(cls, data: Any) -> Any:
        return {"input": 0.0, "output": 0.0, **data} if isinstance(data, dict) and "characters" in data else data

    def cost(self, usage: Usage) -> float:
        """Return the cost of these tokens and characters in US dollars."""
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        of_cached = self.input if self.cached_input is None else self.cached_input
        share = _BATCH_PRICE_FACTOR if usage.service_tier == "batch" else 1.0
        full = (usage.input_tokens - cached) * self.input + cached * of_cached + usage.output_tokens * self.output
        return (share * full + usage.characters * self.characters) / 1e6


class _PriceFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dated: date
    models: dict[str, Price]


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by the names of models in replies."""

    models: Mapping[str, Price]

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model; None if it is not known. The price of a model on this machine is zero."""
        provider = find_provider(model)
        if provider is not None and not provider.remote:
            return Price(input=0, output=0)
        name = f"{provider.scheme}:" if provider is not None and provider.has_one_price else model.partition("?")[0]
        return self.models.get(name) or self.models.get(_SNAPSHOT.sub("", name))


def load_prices(override_file: Path | None = None) -> PriceTable:
    """Return the packaged table, overridden by `override_file`. Raise `ModelUnusable` for an invalid file."""
    models = _parse_price_file(files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")).models
    if override_file is not None:
        try:
            models |= _parse_price_file(override_file.read_text(encoding="utf-8")).models
        except (OSError, ValueError) as error:
            raise ModelUnusable(f"CARTEIRO_PRICES: {override_file}: {_error_reason(error)}") from None
    return PriceTable(models)


def _parse_price_file(text: str) -> _PriceFile:
    return _PriceFile.model_validate(tomllib.loads(text))


def _error_reason(error: OSError | ValueError) -> str:
    if isinstance(error, ValidationError):
        return explain(field_errors(error, root="the file", limit=1))
    if isinstance(error, UnicodeError):
        return "is not UTF-8"
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    return f"is not TOML: {error}"
