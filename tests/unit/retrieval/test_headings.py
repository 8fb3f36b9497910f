import pytest

from carteiro.retrieval.headings import HeadingPaths, first_heading
from carteiro.text.structure import split_parts

TEXT = """# Contract

It is long enough to be a sentence.

## Term

Notice
======

Thirty days are given to both of the parties.

Payment

The price is paid within fourteen days.

```
# no heading
```
### Last ###
The end of the text is here.
Dear John,

Best
"""


@pytest.mark.parametrize(
    ("text", "title"),
    [
        (TEXT, "Contract"),
        ("Some words come first.\n\nOpening hours\n===\n\nFrom nine to five.", "Opening hours"),
        ("```\n# no heading\n```\n\n## **Ferries** ##\n\nThey leave at nine.", "Ferries"),
        ("A short line\n\nIs no marked heading.", ""),
        ("x " * 2000 + "\n\n# Late\n\nText.", ""),
        ("", ""),
    ],
)
def test_title_is_the_first_marked_heading_at_the_beginning(text: str, title: str) -> None:
    assert first_heading(text) == title


def above(text: str, place: str) -> str:
    return " > ".join(HeadingPaths(text, split_parts(text)).above(text.index(place)))


def test_path_has_the_open_headings():
    assert above(TEXT, "# Contract") == ""
    assert above(TEXT, "### Last") == "Notice"
    assert above(TEXT, "It is") == "Contract"
    assert above(TEXT, "## Term") == "Contract"
    assert above(TEXT, "Thirty") == "Notice"
    assert above(TEXT, "The price") == "Notice > Payment"
    assert above(TEXT, "The end") == "Notice > Last"


def test_line_of_code_is_no_heading():
    assert above(TEXT, "```\n###") == "Notice > Payment"


def test_short_lines_are_no_headings_unless_blank_lines_are_around_them():
    assert above("alpha\nbeta\ngamma\n", "gamma") == ""
    for line in ("Dear John,", "Run it from a shell:", "Really?"):
        assert above(f"{line}\n\nThank you for the letter.", "Thank") == ""


def test_long_title_is_cut():
    assert len(above("# " + "word " * 100 + "\n\nThe text is here now.", "The text")) == 100
