from pathlib import Path

import pytest

from carteiro.enrichment.enrichment_file import EnrichmentFileInvalid, load_enrichment_file, parse_enrichment
from carteiro.enrichment.expression import parse_path

REVIEWS = b"""\
from: shop.reviews
to: shop.reviews.enriched
when: "lang == 'en' && length(body.text) > `20`"
steps:
  - {task: sentiment, request: "{text: body.text}", into: ai.sentiment, take: "{label: label, score: score}"}
  - {task: translate, request: "{text: body.text, target: 'pt'}", into: ai.text_pt, take: text}
  - {task: summarize, request: "{text: ai.text_pt, length: 'short'}", into: ai.summary, take: summary, on_error: drop}
on_error: keep
"""


def test_file_is_named_after_its_path(tmp_path: Path) -> None:
    path = tmp_path / "Shop Reviews.yaml"
    path.write_bytes(REVIEWS)
    file = load_enrichment_file(path)
    assert (file.name, file.source, file.target) == ("shop-reviews", "shop.reviews", "shop.reviews.enriched")
    assert [step.on_error for step in file.steps] == [None, None, "drop"]


def test_step_waits_only_for_the_steps_that_it_reads() -> None:
    file = parse_enrichment(REVIEWS, "f", "reviews")
    assert [file.steps_before(index) for index in range(3)] == [frozenset(), frozenset(), frozenset({1})]


def test_step_that_reads_the_whole_event_waits_for_all_before() -> None:
    text = REVIEWS.replace(b"{text: ai.text_pt, length: 'short'}", b"{text: to_string(@)}")
    assert parse_enrichment(text, "f", "reviews").steps_before(2) == frozenset({0, 1})


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"shop.reviews.enriched", b"shop.reviews", "line 1: the topics `from` and `to` are the same"),
        (b"from: shop.reviews\n", b"from: shop reviews\n", "line 1: from: is no name of a topic"),
        (b"{text: body.text}", b"{text: body.text", "line 5: steps.0.request: '{text: body.text' ends too early"),
        (b"into: ai.text_pt", b"into: ai.sentiment.pt", "write to the same place"),
        (b"into: ai.text_pt", b"into: ai.errors", "errors_into and ai.errors write to the same place"),
        (b"into: ai.summary", b"into: 's[0]'", "line 7: steps.2.into: 's[0]' is no path"),
        (b"on_error: keep", b"on_error: ignore", "line 8: on_error: must be 'keep', 'drop' or 'dead_letter'"),
        (b"take: text}", b"take: text, options: {stream: true}}", "neither streams nor waits"),
        (b"take: text}", b"tkae: text}", "line 6: steps.1.tkae: is not a field"),
        (b"steps:", b"steps: [", "line 5: is no YAML"),
        (b"on_error: keep", b"on_error: keep\non_error: drop", "line 9: on_error is there twice"),
        (b"take: text}", b"take: text, take: lang}", "line 6: take is there twice"),
        (b"lang == 'en'", b"lang == '\\ud800'", "line 3: a text has half of a surrogate pair"),
    ],
)
def test_wrong_file_is_refused_with_the_line_and_the_reason(old: bytes, new: bytes, message: str) -> None:
    assert old in REVIEWS
    with pytest.raises(EnrichmentFileInvalid) as refused:
        parse_enrichment(REVIEWS.replace(old, new), "reviews.yaml", "reviews")
    assert message in str(refused.value)
    assert str(refused.value).startswith("reviews.yaml: ")


@pytest.mark.parametrize("text", [b"", b"- 1", b"text", b"\xff\xfe\x00", b"{" * 2000])
def test_text_that_is_no_enrichment_is_refused(text: bytes) -> None:
    with pytest.raises(EnrichmentFileInvalid, match=r"^f: "):
        parse_enrichment(text, "f", "name")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnrichmentFileInvalid, match=r"none\.yaml: cannot be read"):
        load_enrichment_file(tmp_path / "none.yaml")


def test_merged_members_may_be_overridden() -> None:
    text = b"""
from: a
to: b
steps:
  - &first {task: translate, request: "{text: text}", into: x}
  - {<<: *first, into: y}
"""
    assert [step.into for step in parse_enrichment(text, "f", "f").steps] == [("x",), ("y",)]


def test_aliases_of_aliases_take_no_longer_than_their_text() -> None:
    lines = [b"a0: &a0 [x]", *(b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30))]
    with pytest.raises(EnrichmentFileInvalid, match="has more than 200,000 values"):
        parse_enrichment(REVIEWS + b"\n".join(lines), "f", "f")


def test_alias_of_itself_is_refused() -> None:
    with pytest.raises(EnrichmentFileInvalid, match="an alias stands in what it stands for"):
        parse_enrichment(b"&all {from: *all}", "f", "f")


def test_step_with_dots_in_a_name_has_another_name_than_the_nested_one() -> None:
    text = REVIEWS.replace(b"into: ai.sentiment", b"""into: '"ai.summary"'""")
    names = [step.name for step in parse_enrichment(text, "f", "f").steps]
    assert names == ['"ai.summary"', "ai.text_pt", "ai.summary"]


def test_name_of_a_step_is_the_path_that_it_was_read_from() -> None:
    text = REVIEWS.replace(b"into: ai.summary", b"""into: 'a."b-c"."d\\"=,\\n"'""")
    (*_, step) = parse_enrichment(text, "f", "f").steps
    assert parse_path(step.name.replace("b-c", '"b-c"')) == step.into == ("a", "b-c", 'd"=,\n')
