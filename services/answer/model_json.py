"""The JSON that chat models are asked for, read with tolerance."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from carteiro.models.errors import InvalidOutput

ModelT = TypeVar("ModelT", bound=BaseModel)


def known_fields(data: Mapping[str, Any], form: type[BaseModel]) -> dict[str, Any]:
    """Return the fields that `form` has, with names in any case, and "true" or "false" in `found` as true or false."""
    fields = {name.strip().lower(): value for name, value in data.items()}
    fields = {name: value for name, value in fields.items() if name in form.model_fields}
    if isinstance(found := fields.get("found"), str):
        fields["found"] = {"true": True, "false": False}.get(found.strip().lower(), found)
    return fields


def validate(data: Any, form: type[ModelT]) -> ModelT:
    """Return the data as `form`. Raise `InvalidOutput` if it has another form."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc'])) or 'the root'}: {each['msg']}" for each in error.errors())
        raise InvalidOutput(f"the model's completion is not the JSON that was asked for ({wrong})") from None
