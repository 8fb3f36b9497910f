"""extract: data by a JSON Schema, and the place of each value in the text."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from carteiro.schemas.object_root import check_object_root
from carteiro.schemas.reply import Result
from carteiro.schemas.request import CommandOption, Request, examples
from carteiro.schemas.text_reference import LargeText

Span = Annotated[list[int], Field(min_length=2, max_length=2)]
_FIELDS = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "name of the person"},
        "age": {"type": "integer", "description": "age in years"},
        "city": {"type": "string", "description": "city where the person lives or works"},
    },
    "required": ["name", "age", "city"],
    "additionalProperties": False,
}


class ExtractResult(Result):
    """The data, and the place of each value in the text."""

    model_config = examples(
        {
            "data": {"name": "Maria", "age": 34, "city": "Porto"},
            "spans": {"name": [0, 5], "age": [7, 9], "city": [20, 25]},
            "parts": 1,
        }
    )

    data: dict[str, Any]
    """Data that follow the request's JSON Schema; with `ungrounded` `drop`, required fields may be missing."""
    spans: dict[str, Span | None]
    """Start and end (Unicode code points, the end exclusive) of the value in the text, or of the words that it was
    taken from, for each value but null by its path, such as `items.0.price`. Null if it does not stand in the text.
    """
    parts: int = 1
    """Number of parts in which the text was read: more than 1 if it is longer than the model can read at once."""

    def render(self) -> str:
        values = _values(self.data, ())
        return "\n".join(
            f"{path}: {value}{'' if self.spans.get(path) else '  (not in the text)'}" for path, value in values
        )


def _values(node: Any, path: tuple[str, ...]) -> list[tuple[str, Any]]:
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        return [found for name, each in items for found in _values(each, (*path, str(name)))]
    return [] if node is None else [(".".join(path), node)]


class ExtractRequest(Request[ExtractResult]):
    """Take the data that a JSON Schema describes from a text. A long text is read in parts, and no part is skipped."""

    model_config = examples({"text": "Maria, 34, works in Porto.", "fields": _FIELDS})
    task: ClassVar = "extract"
    result: ClassVar = ExtractResult

    text: LargeText
    fields: Annotated[dict[str, Any], CommandOption("fields")]
    """A JSON Schema (draft 2020-12) with an object at its root: the data to take from the text."""
    ungrounded: Literal["mark", "drop"] = "mark"
    """Values that do not stand in the text: kept with a null span, or dropped."""

    _check_fields = field_validator("fields")(check_object_root)
