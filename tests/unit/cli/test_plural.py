import pytest

from carteiro.cli.plural import pluralise


@pytest.mark.parametrize(
    ("words", "text"),
    [((0, "document"), "0 documents"), ((1, "try", "tries"), "1 try"), ((2000, "try", "tries"), "2,000 tries")],
)
def test_noun_has_the_form_of_its_number(words: tuple[int, str, str], text: str) -> None:
    assert pluralise(*words) == text
