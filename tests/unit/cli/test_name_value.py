import pytest

from carteiro.cli.name_value import read_name_value


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ("tenant=north", ("tenant", "north")),
        ("year=2024", ("year", 2024)),
        ("rate=0.5", ("rate", 0.5)),
        ("open=true", ("open", True)),
        ("a=b=c", ("a", "b=c")),
        ("empty=", ("empty", "")),
        ('list=["a"]', ("list", '["a"]')),
        ("none=null", ("none", "null")),
        ("number=NaN", ("number", "NaN")),
        ("large=1e999", ("large", "1e999")),
        ("=value", None),
        ("name", None),
    ],
)
def test_numbers_and_booleans_are_values_and_all_else_is_text(pair, expected):
    read = read_name_value(pair)
    assert read == expected
    assert read is None or type(read[1]) is type(expected[1])
