"""Filters of searches by the fields of documents."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from carteiro.retrieval.document import UNSTORABLE, FieldValue
from carteiro.retrieval.errors import SearchInvalid

FieldFilter = Mapping[str, FieldValue | Sequence[FieldValue]]
"""A value, or several of which any fits, for each field: `{"tenant": "north", "year": [2023, 2024]}`.

All fields have to fit. Values fit if they are equal and of one kind: text, number (1 fits 1.0) or boolean.
"""

MAX_FILTER_FIELDS = 16
MAX_FILTER_VALUES = 256
_MAX_LABEL_BYTES = 1024
"""Longer labels are replaced by their hashes: PostgreSQL indexes no text of more than 2.6 KB."""


def field_label(name: str, value: FieldValue) -> str:
    """Return the text that a store keeps and compares for a field: equal for values that fit."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    label = json.dumps([name, value], ensure_ascii=False, separators=(",", ":"))
    encoded = label.encode("utf-8", "surrogatepass")
    return label if len(encoded) <= _MAX_LABEL_BYTES else hashlib.blake2b(encoded, digest_size=32).hexdigest()


def field_labels(fields: Mapping[str, FieldValue]) -> list[str]:
    """Return the labels of a document's fields."""
    return [field_label(name, value) for name, value in fields.items()]


def filter_labels(filters: FieldFilter | None) -> list[list[str]]:
    """Return the labels of a filter: a document has to have one of each list. Raise `SearchInvalid`.

    A value that no document can have is left out, so a list may be empty: then nothing fits.
    """
    filters = filters or {}
    if len(filters) > MAX_FILTER_FIELDS:
        raise SearchInvalid(f"filter: {len(filters)} fields are more than {MAX_FILTER_FIELDS}")
    return [_labels_of(name, value) for name, value in filters.items()]


def _labels_of(name: str, wanted: FieldValue | Sequence[FieldValue]) -> list[str]:
    values = [wanted] if isinstance(wanted, str | int | float) else list(wanted)
    if len(values) > MAX_FILTER_VALUES:
        raise SearchInvalid(f"filter: a field has {len(values)} values, more than {MAX_FILTER_VALUES}")
    if not all(isinstance(value, str | int | float) for value in values):
        raise SearchInvalid("filter: a value is not a text, a number or a boolean")
    labels = [field_label(name, value) for value in values]
    return [label for label in dict.fromkeys(labels) if not UNSTORABLE.search(label)]
