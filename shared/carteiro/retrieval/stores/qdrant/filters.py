"""Conditions of Qdrant in short."""

from collections.abc import Sequence

from qdrant_client import models


def equals(field: str, value: str | int | bool) -> models.FieldCondition:
    """Return the condition that a field is, or contains, a value."""
    return models.FieldCondition(key=field, match=models.MatchValue(value=value))


def any_of(field: str, values: Sequence[str]) -> models.FieldCondition:
    """Return the condition that a field contains one of some values. No values fit nothing."""
    return models.FieldCondition(key=field, match=models.MatchAny(any=list(values) or ["\0"]))


def below(field: str, value: int) -> models.FieldCondition:
    """Return the condition that a field is less than a number."""
    return models.FieldCondition(key=field, range=models.Range(lt=value))


def is_point(point: str) -> models.HasIdCondition:
    """Return the condition that a point has an id."""
    return models.HasIdCondition(has_id=[point])


def all_of(*conditions: models.Condition) -> models.Filter:
    """Return the filter of several conditions."""
    return models.Filter(must=list(conditions))


def none_of(*conditions: models.Condition, must: Sequence[models.Condition] = ()) -> models.Filter:
    """Return the filter of conditions that must not hold, and of those that must."""
    return models.Filter(must=list(must), must_not=list(conditions))
