"""What every request has in common."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

ResultT = TypeVar("ResultT", bound=BaseModel)

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
"""A text with something in it: an empty or blank one is the caller's mistake, not work for a model."""

LanguageTag = Annotated[
    str,
    StringConstraints(
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
    ),
]
"""A language tag of BCP 47 (RFC 5646): language, then script, region and variants where they matter; `pt-BR`."""


Duration = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}[smhd]$")]
"""A length of time: a number, and `s`, `m`, `h` or `d` for seconds, minutes, hours or days."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Schema(BaseModel):
    """Base of what a request is made of: types are not coerced, and an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


class Options(Schema):
    """What the caller may ask of the model, whatever the task."""

    model: str | None = None
    """Name of the model that must answer; by default the one that the service is set to."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """0 takes the likeliest token each time; by default the model's own setting (0 for local models)."""
    max_output_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of one completion; a completion that reaches it ends with `finish_reason` `length`."""
    stream: bool = False
    """Whether pieces of the reply are sent while the model writes; for generate, translate and chat."""
    cache: bool = False
    """Whether the reply to an equal request of the last while will do, at no cost."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Same seed, same request, same model: the same sampling, as far as the model can promise it."""
    wait: Duration | None = None
    """How long the reply may take, such as `24h`: a deadline, and leave to do the work later and for less."""

    @property
    def patience(self) -> timedelta | None:
        """`wait` as a length of time."""
        return timedelta(**{_UNITS[self.wait[-1]]: int(self.wait[:-1])}) if self.wait else None

    @model_validator(mode="after")
    def _waits_or_streams(self) -> Self:
        if self.stream and self.wait:
            raise ValueError("a reply is either streamed or waited for: leave out stream or wait")
        return self


class Request(Schema, Generic[ResultT]):
    """A request for one task. `Request[R]` is answered by a reply whose result is an `R`."""

    task: ClassVar[str]
    result: ClassVar[type[BaseModel]]

    options: Options = Options()
    """What the caller asks of the model."""

    def to_json(self) -> bytes:
        """The record's value: JSON in UTF-8, without what was not set."""
        return self.model_dump_json(exclude_unset=True).encode()


def examples(*values: dict[str, Any]) -> ConfigDict:
    """The setting that puts `values` into a model's JSON Schema as its examples."""
    return ConfigDict(json_schema_extra={"examples": list(values)})
