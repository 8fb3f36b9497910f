"""Types of a schema's fields."""

from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin


def plain_type(annotation: Any) -> Any:
    """Return a field's type without its constraints, and without None."""
    if get_origin(annotation) is Annotated:
        return plain_type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return next(plain_type(each) for each in get_args(annotation) if each is not NoneType)
    return annotation
