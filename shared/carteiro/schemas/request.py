"""Base and options of every request."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from carteiro.schemas.list_field import empty_list
from carteiro.schemas.reply import Result, ServiceTier

ResultT = TypeVar("ResultT", bound=BaseModel)

TEXT_PATTERN = r"\S"
Text = Annotated[str, StringConstraints(min_length=1, pattern=TEXT_PATTERN)]
"""A text that is neither empty nor blank: such a text is the caller's mistake, not work for a model."""

LANGUAGE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*$"
LanguageTag = Annotated[str, StringConstraints(pattern=LANGUAGE_PATTERN)]
"""A language tag of BCP 47 (RFC 5646), such as `pt-BR`: language, then script, region and variants if they matter."""

COLLECTION_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Name of a collection of documents."""

NAME_PATTERN = r"^[^\x00-\x1f\x7f]*$"
"""A name of a file, on one line."""

DURATION_PATTERN = r"^[1-9][0-9]{0,5}[smhd]$"
Duration = Annotated[str, StringConstraints(pattern=DURATION_PATTERN)]
"""A duration: a number, and `s`, `m`, `h` or `d` for seconds, minutes, hours or days."""
StopText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A text that ends a completion. A line break is a common one."""
ReasoningEffort = Literal["none", "low", "medium", "high"]
"""Amount of thinking before the answer."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class CommandOption:
    """Name of a field's option of `carteiro ask`, if it differs from the field's. `short` is a letter for it.

    With `pairs`, the option is given as `NAME=VALUE`, once for each value.
    """

    name: str
    short: str | None = None
    pairs: bool = False


class Schema(BaseModel):
    """Base of all parts of a request. Types are not coerced, and an unknown field is an error."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Options(Schema):
    """Options of the model call, the same for all tasks."""

    model: str | None = Field(default=None, max_length=1000)
    """Name of the model that must answer; by default the model that the service is set to."""
    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature. 0 takes the most likely token each time; by default the model's own setting (0 for local
    models).
    """
    top_p: float | None = Field(default=None, gt=0, le=1)
    """Nucleus sampling: only the likeliest tokens, of this total probability, are sampled."""
    max_output_tokens: int | None = Field(default=None, ge=1, lt=2**31)
    """Maximum tokens of one completion. A completion that reaches it ends with `finish_reason` `length`."""
    stop: list[StopText] = empty_list(max_length=4)
    """A completion ends before any of these texts, for tasks whose result is text that the model writes."""
    stream: bool = False
    """True if chunks of the reply are sent while the model writes, for tasks whose result is the model's text."""
    cache: bool = False
    """True if the cached reply to an equal recent request may be returned, at no cost."""
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    """Sampling seed. The same seed, request and model give the same sampling, as far as the model can promise it."""
    reasoning: bool = False
    """True if the result should include the model's thinking, for results with a field `reasoning`, if the model has it
    and the service shows it.
    """
    reasoning_effort: ReasoningEffort | None = None
    """Amount of the model's thinking; by default the model's own. `none` switches it off."""
    service_tier: ServiceTier | None = None
    """Tier of the provider that must serve the calls: `flex` is cheaper and slower, `priority` dearer and faster. By
    default the request's deadline chooses it. A call that `flex` does not serve is made in `standard`.
    """
    prompt_cache_key: str | None = Field(default=None, min_length=1, max_length=64)
    """The same text for requests that begin alike: their calls then find the provider's prompt cache more often."""
    wait: Duration | None = None
    """Longest time that the reply may take, such as `24h`. It is a deadline, and permits the work to be done later and
    cheaper.
    """

    def __hash__(self) -> int:
        # Pydantic copies a default for each request, with all that is in it, unless it has a hash.
        return hash(self.model_dump_json())

    @property
    def patience(self) -> timedelta | None:
        """`wait` as a duration."""
        return timedelta(**{_UNITS[self.wait[-1]]: int(self.wait[:-1])}) if self.wait else None

    @model_validator(mode="after")
    def _waits_or_streams(self) -> Self:
        if self.stream and self.wait:
            raise ValueError("a reply is either streamed or waited for: leave out stream or wait")
        if self.service_tier == "priority" and self.wait:
            raise ValueError("a request that can wait has no priority: leave out service_tier or wait")
        return self


class Request(Schema, Generic[ResultT]):
    """A request for one task. The result in the reply to a `Request[R]` is an `R`."""

    task: ClassVar[str]
    result: ClassVar[type[Result]]
    text_field: ClassVar[str] = "text"
    """Field that a plain text fills, such as the text of `carteiro ask`."""
    streams: ClassVar[bool] = False
    """True if the model's text is the result, so that it can be streamed in chunks."""
    writes: ClassVar[bool] = False
    """True if the result is text that a model writes, so that `options.stop` can end it."""

    options: Options = Options()
    """Options of the model call."""

    @classmethod
    def from_text(cls, text: str, given: Collection[str] = ()) -> dict[str, Any]:  # noqa: ARG003
        """Return the fields that a plain text fills, next to fields that are given."""
        return {cls.text_field: text}

    def to_json(self) -> bytes:
        """Return the record's value: JSON in UTF-8, without the fields that were not set."""
        return self.model_dump_json(exclude_unset=True).encode()


def examples(*values: dict[str, Any]) -> ConfigDict:
    """Return the setting that puts `values` into a model's JSON Schema as its examples."""
    return ConfigDict(json_schema_extra={"examples": list(values)})


def one_error(reason: str) -> WrapValidator:
    """Return a validator that gives one reason, not one for each type that a value might have had."""

    def validated(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        try:
            return validate(value)
        except ValidationError:
            raise ValueError(reason) from None

    return WrapValidator(validated)
