"""The sentence that answers a question, found by signs that need no model."""

from carteiro.text.answers import Candidate, best_answer, match_passages, part_contexts, refers_back, shortlist
from carteiro.text.questions import parse_question, split_words
from carteiro.text.structure import PartKind, StructuredPart, split_parts


def alike(one: str, other: str) -> float:
    return 1.0 if one == other else 0.0


def test_no_candidate_gives_no_answer() -> None:
    assert best_answer(parse_question("Who?"), [], frozenset(), alike) is None


def test_sentence_about_something_else_is_not_an_answer() -> None:
    part = StructuredPart(0, 19, "The sky is blue now.", PartKind.PROSE)
    candidate = Candidate(part, None, "", 0.05, 0.0, 0.05)
    question = parse_question("Which port was the ferry built in?")
    assert best_answer(question, [candidate], frozenset(split_words(part.text)), alike) is None


def test_heading_is_shortlisted_only_if_it_has_the_thing() -> None:
    found = split_parts("# Opening in 1867\n\n# Opening\n\nIt was a fine day for the opening.\n")
    assert shortlist(parse_question("When was the opening?"), found, [0.5, 0.9, 0.4]) == [0, 2]


def test_row_is_read_with_the_first_row_of_its_table() -> None:
    found = split_parts("# Prices\n\n| place | price |\n| --- | --- |\n| pit | 12 |\n")
    assert part_contexts(found)[2] == "Prices | place | price |"


def test_reason_may_be_in_the_sentence_before() -> None:
    assert refers_back("That is why I asked.")
    assert not refers_back("That is a reason.")


def test_passage_that_lacks_the_year_matches_less() -> None:
    question = parse_question("What did the ferry pass of Pontal cost in 2025?")
    texts = ["Ferry fares 2023: the pass of Pontal costs 30 euros.", "Fares 2025: the pass costs 34 euros."]
    old, new = match_passages(question, texts)
    assert (old.rank, old.lacks_number, new.lacks_number) == (0, True, False)
    assert (old.missing_names, new.missing_names) == (0.5, 0.5)
    assert old.margin == -new.margin


def test_only_passage_has_the_whole_share_as_its_margin() -> None:
    (match,) = match_passages(parse_question("Where is the ferry?"), ["The ferry is at the quay."])
    assert (match.margin, match.missing_names, match.lacks_number) == (1.0, 0.0, False)
    assert match_passages(parse_question("?"), [" "])[0].margin == 0.0
