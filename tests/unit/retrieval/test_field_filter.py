import pytest

from carteiro.retrieval.errors import SearchInvalid
from carteiro.retrieval.field_filter import field_label, filter_labels


def test_values_fit_by_their_kind():
    assert field_label("a", 1) == field_label("a", 1.0)
    assert len({field_label("a", value) for value in (1, True, "1", "true", 1.5)}) == 5


def test_long_label_is_short_and_its_own():
    labels = {field_label("a", "x" * 1000 + each) for each in ("東" * 24, "東" * 23 + "京", "\ud800" * 24)}
    assert len(labels) == 3
    assert max(map(len, labels)) == 64


def test_names_and_values_are_never_confused():
    assert field_label("a", "b") != field_label('a","b', "")


def test_filter_has_a_list_of_labels_for_each_field():
    assert filter_labels({"tenant": "north", "year": [2023, 2024.0]}) == [
        ['["tenant","north"]'],
        ['["year",2023]', '["year",2024]'],
    ]
    assert filter_labels(None) == []


def test_value_that_no_document_can_have_fits_nothing():
    assert filter_labels({"a": "\ud800", "b": [], "\ud800": 1}) == [[], [], []]


@pytest.mark.parametrize("filters", [{f"f{n}": 1 for n in range(17)}, {"a": list(range(257))}, {"a": [None]}])
def test_filter_over_a_limit_is_refused(filters):
    with pytest.raises(SearchInvalid, match="^filter: "):
        filter_labels(filters)
