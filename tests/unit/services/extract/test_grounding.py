"""Places of values in the text."""

from typing import Any

import pytest

from carteiro.models.errors import InvalidOutput
from services.extract.grounding import Grounder, bare, merge, plain_path, spans_of, without_ungrounded

TEXT = "On 3 May Rui bought two lamps for 49.90 euros. Rui wants a refund."


def spans(data: Any, quotes: dict[str, str] | None = None) -> dict[str, str | None]:
    grounded = Grounder(TEXT, 0, {"urgent"}).ground(data, quotes or {})
    return {path: TEXT[slice(*span)] if span else None for path, span in spans_of(grounded)}


@pytest.mark.parametrize(
    ("value", "quote", "expected"),
    [
        ("Rui", "", "Rui"),
        ("rui", "", "Rui"),
        ("Ana", "", None),
        ("Ru", "", None),
        (49.9, "", "49.90"),
        (49.5, "", None),
        (2, "two lamps", "two lamps"),
        (2, "", None),
        (3, "3 May Rui", "3"),
        ("2024-05-03", "On 3 May", "On 3 May"),
        ("2024-06-04", "On 3 May", None),
        ("3rd of May", "on 3 May", "On 3 May"),
        ("urgent", "wants a refund", "wants a refund"),
        ("angry", "wants a refund", None),
        ("urgent", "wants his money", None),
        (True, "wants a refund", "wants a refund"),
        (True, "", None),
    ],
)
def test_value_stands_in_its_quotation_or_elsewhere_in_the_text(value: Any, quote: str, expected: str | None) -> None:
    assert spans({"a": value}, {"a": quote}) == {"a": expected}


def test_value_is_found_inside_its_quotation() -> None:
    grounded = Grounder(TEXT, 100, ()).ground({"a": "Rui"}, {"a": "Rui wants a refund"})
    assert dict(spans_of(grounded)) == {"a": [147, 150]}


def test_paths_lead_through_objects_and_lists() -> None:
    found = spans({"items": [{"name": "lamps", "price": 49.9}], "note": None}, {})
    assert found == {"items.0.name": "lamps", "items.0.price": "49.90"}


@pytest.mark.parametrize("path", ["items.0.price", "$.items[0].price", "data.items.0.price", "/items/0/price"])
def test_path_of_a_model_in_any_form(path: str) -> None:
    assert plain_path(path) == "items.0.price"


def test_parts_are_merged() -> None:
    first = Grounder("Rui is here.", 0, ()).ground({"name": "Rui", "age": 50, "tags": ["Rui"], "city": None}, {})
    second = Grounder("He is 34, in Faro.", 12, ()).ground(
        {"name": "He", "age": 34, "tags": ["Rui", "Faro"], "city": "Faro", "more": {"n": 34}}, {}
    )
    merged = merge(merge({}, first), second)
    assert bare(merged) == {"name": "Rui", "age": 34, "tags": ["Rui", "Faro"], "city": "Faro", "more": {"n": 34}}
    assert dict(spans_of(merged))["city"] == [25, 29]


def test_ungrounded_values_are_dropped() -> None:
    grounded = Grounder(TEXT, 0, ()).ground({"a": "Rui", "b": "Ana", "c": ["Ana", "lamps"], "d": None}, {})
    assert bare(without_ungrounded(grounded)) == {"a": "Rui", "c": ["lamps"], "d": None}


def test_repeated_entries_of_two_parts_are_one_whatever_they_are() -> None:
    first = {"rows": [{"a": 1, "b": None}, "x"], "one": None}
    second = {"rows": [{"b": None, "a": 1}, "y", "x"], "two": 2, "three": 3}
    merged = merge(first, second)
    assert merged == {"rows": [{"a": 1, "b": None}, "x", "y"], "one": None, "two": 2, "three": 3}
    assert list(merged) == ["rows", "one", "two", "three"]


@pytest.mark.timeout(20)
def test_many_entries_are_merged_in_linear_time() -> None:
    parts = [{"rows": [[part, row] for row in range(15_000)]} for part in (1, 2)]
    assert len(merge(*parts)["rows"]) == 30_000


def test_more_values_than_a_reply_holds_are_invalid_output() -> None:
    with pytest.raises(InvalidOutput, match="10,000 values"):
        Grounder("x", 0, ()).ground({"rows": [1] * 10_001}, {})
