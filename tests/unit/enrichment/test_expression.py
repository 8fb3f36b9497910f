import pytest

from carteiro.enrichment.expression import Expression, ExpressionFailed, InvalidExpression, overlaps, parse_path


@pytest.mark.parametrize(
    ("text", "reads"),
    [
        ("lang == 'en' && length(body.text) > `20`", {("lang",), ("body", "text")}),
        ("{text: ai.text_pt, length: 'short'}", {("ai", "text_pt")}),
        ("a.b.c[0].d", {("a", "b", "c")} | {("a", "b")}),
        ("items[?price > `3`].name | join(', ', @)", {("items",)}),
        ("order.lines[*].{name: name, total: price}", {("order", "lines")}),
        ("keys(@)", {()}),
        ("*.name", {()}),
        ("!done || tags[0]", {("done",), ("tags",)}),
    ],
)
def test_paths_that_an_expression_reads_are_found(text: str, reads: set[tuple[str, ...]]) -> None:
    found = Expression(text).reads
    # A shorter path than necessary is allowed: it contains what is read.
    assert all(any(overlaps(path, each) and len(each) <= len(path) for each in found) for path in reads)
    assert all(any(overlaps(path, each) for path in reads) for each in found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an expression is empty"),
        ("{text: body.text", "ends too early"),
        ("a..b", "cannot be read from character 3 on"),
        ("lenght(a)", "has no such function (lenght)"),
        ("length(a, b)", "length() takes another number of arguments than 2"),
        (f"a[{'9' * 5000}]", "has a number that is too long"),
        ("to_string(" * 40 + "@" + ")" * 40, "times as large"),
        (" | ".join(["[@, @]"] * 30), "can make an event 1,073,741,824 times as large; at most 1,000"),
    ],
)
def test_wrong_expression_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidExpression) as refused:
        Expression(text)
    assert message in str(refused.value)


def test_failure_names_the_function_and_types_and_quotes_no_value() -> None:
    with pytest.raises(ExpressionFailed) as failed:
        Expression("length(body)").evaluate({"body": 4711})
    assert "length()" in str(failed.value)
    assert "number" in str(failed.value)
    assert "4711" not in str(failed.value)


def test_failure_inside_a_function_of_the_library_is_an_expression_failure() -> None:
    with pytest.raises(ExpressionFailed):
        Expression("to_number(a) > `1` && sort_by(b, &c)").evaluate({"a": "2", "b": [{"c": 1}, {"c": "x"}]})


@pytest.mark.parametrize("value", [None, False, "", [], {}])
def test_empty_values_are_false(value: object) -> None:
    assert not Expression("a").is_true({"a": value})


@pytest.mark.parametrize("value", [0, True, "no", [None], {"a": None}])
def test_other_values_are_true(value: object) -> None:
    assert Expression("a").is_true({"a": value})


def test_path_is_names_with_dots() -> None:
    assert parse_path('ai."text-pt".short') == ("ai", "text-pt", "short")


@pytest.mark.parametrize("text", ["", "a[0]", "@", "a.b.", "length(a)", "a || b", "*", "{a: b}"])
def test_other_expressions_are_no_paths(text: str) -> None:
    with pytest.raises(ValueError, match="is no path"):
        parse_path(text)
