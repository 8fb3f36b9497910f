"""The parts of a text: sentences, headings, rows, code and lists."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.text.structure import PartKind, split_parts

READING = """\
# Tide tables

Tides are read every hour by a
sensor. Dr. Silva checks them.

Owner: Ana Reis

- [ ] call the port
- a second item,
  wrapped

| port | metres |
| --- | --- |
| Faro | 3.1 |

```
tide --now
```

    make tides

> What did you say?

1. Payment. Bills are due in May. They are sent by mail.

Kind regards
Rita
"""


def test_every_line_has_its_kind() -> None:
    assert [(each.kind, each.text) for each in split_parts(READING)] == [
        (PartKind.HEADING, "Tide tables"),
        (PartKind.PROSE, "Tides are read every hour by a sensor."),
        (PartKind.PROSE, "Dr. Silva checks them."),
        (PartKind.FIELD, "Owner: Ana Reis"),
        (PartKind.ITEM, "call the port"),
        (PartKind.ITEM, "a second item, wrapped"),
        (PartKind.ROW, "| port | metres |"),
        (PartKind.ROW, "| Faro | 3.1 |"),
        (PartKind.CODE, "tide --now"),
        (PartKind.CODE, "make tides"),
        (PartKind.QUOTE, "What did you say?"),
        (PartKind.HEADING, "Payment."),
        (PartKind.PROSE, "Bills are due in May."),
        (PartKind.PROSE, "They are sent by mail."),
        (PartKind.HEADING, "Kind regards"),
        (PartKind.HEADING, "Rita"),
    ]


@pytest.mark.parametrize("text", ["", " \n\n", "---\n===\n", "```\n```"])
def test_text_without_words_has_no_parts(text: str) -> None:
    assert split_parts(text) == []


@given(st.text(alphabet="aB.!? \n-#|>`:1\t=e", max_size=200))
def test_parts_are_at_their_offsets_and_in_order(text: str) -> None:
    found = split_parts(text)
    assert all(" ".join(text[each.start : each.end].split()) == each.text for each in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))


def test_long_text_is_read_in_one_pass() -> None:
    assert len(split_parts("A sentence of some words. " * 20_000)) == 20_000
