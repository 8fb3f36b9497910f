"""Prices of tokens and characters: the table `prices.toml`, and a file of the operator's that overrides it."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
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


_HALF, _DOUBLE = 0.5, 2.0
"""Prices of most models in other tiers, as shares of their price in the standard tier: half in batches and in `flex`
(https://platform.openai.com/docs/guides/batch, https://developers.openai.com/api/docs/guides/flex-processing,
https://ai.google.dev/gemini-api/docs/flex-inference), up to double in `priority`
(https://openai.com/api-priority-processing).
"""


class Price(BaseModel):
    """US dollars for a million tokens, or for a million characters of a language service.

    Without `cached_input`, cached tokens have the price of other input tokens. With `characters`, the others may be
    left out. `batch`, `flex` and `priority` are the prices in these tiers, as shares of the price in the standard tier.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(ge=0)
    cached_input: float | None = Field(default=None, ge=0)
    output: float = Field(ge=0)
    characters: float = Field(default=0.0, ge=0)
    batch: float = Field(default=_HALF, ge=0)
    flex: float = Field(default=_HALF, ge=0)
    priority: float = Field(default=_DOUBLE, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _tokens_are_free(cls, data: Any) -> Any:
        return {"input": 0.0, "output": 0.0, **data} if isinstance(data, dict) and "characters" in data else data

    def cost(self, usage: Usage) -> float:
        """Return the cost of these tokens and characters in US dollars."""
        cached = min(usage.cached_input_tokens, usage.input_tokens)
        of_cached = self.input if self.cached_input is None else self.cached_input
        share = 1.0 if usage.service_tier in (None, "standard") else getattr(self, usage.service_tier)
        full = (usage.input_tokens - cached) * self.input + cached * of_cached + usage.output_tokens * self.output
        return (share * full + usage.characters * self.characters) / 1e6


class _PriceFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    dated: date
    models: dict[str, Price]
    since: dict[date, dict[str, Price]] = {}


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by the names of models in replies. `changes` are later prices, each from a date on (UTC)."""

    models: Mapping[str, Price]
    changes: Mapping[date, Mapping[str, Price]] = field(default_factory=dict)
    today: Callable[[], date] = lambda: datetime.now(UTC).date()

    def price_of(self, model: str) -> Price | None:
        """Return the price of a model; None if it is not known. The price of a model on this machine is zero."""
        provider = find_provider(model)
        if provider is not None and not provider.remote:
            return Price(input=0, output=0)
        name = f"{provider.scheme}:" if provider is not None and provider.has_one_price else model.partition("?")[0]
        return self._find(name) or self._find(_SNAPSHOT.sub("", name))

    def _find(self, name: str) -> Price | None:
        """Return the price of this name: of the last change that has begun, or else of the table."""
        if self.changes:
            today = self.today()
            begun = [since for since, models in self.changes.items() if since <= today and name in models]
            if begun:
                return self.changes[max(begun)][name]
        return self.models.get(name)


def load_prices(override_file: Path | None = None) -> PriceTable:
    """Return the packaged table, overridden by `override_file`. Raise `ModelUnusable` for an invalid file."""
    packaged = _parse_price_file(files(__package__).joinpath("prices.toml").read_text(encoding="utf-8"))
    if override_file is None:
        return PriceTable(packaged.models, packaged.since)
    try:
        own = _parse_price_file(override_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnusable(f"CARTEIRO_PRICES: {override_file}: {_error_reason(error)}") from None
    named = own.models.keys() | {name for models in own.since.values() for name in models}
    kept = {
        since: {name: price for name, price in models.items() if name not in named}
        for since, models in packaged.since.items()
    }
    dates = {since: kept.get(since, {}) | own.since.get(since, {}) for since in kept.keys() | own.since.keys()}
    return PriceTable(packaged.models | own.models, dates)


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
