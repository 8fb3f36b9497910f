"""Texts with facts to find: a text, a line `=== questions`, and questions with the words that the answer must contain.

A question with nothing after its bar is not answered by the text. The weights of `carteiro.text.answers` were fitted
to `tuned/`. The results on `held_out/` were measured when the weights were final.
"""

from dataclasses import dataclass
from pathlib import Path

_MARK = "=== questions\n"


@dataclass(frozen=True, slots=True)
class Fact:
    """A question on a text. A right answer has one of `accept`. If `accept` is empty, the text does not answer it."""

    name: str
    text: str
    question: str
    accepted_answers: tuple[str, ...]


def read_facts(folder: str) -> list[Fact]:
    """Return the facts of `tuned` or `held_out`."""
    found = []
    for file in sorted(Path(__file__).with_name(folder).glob("*.txt")):
        text, _, questions = file.read_text(encoding="utf-8").partition(_MARK)
        for line in questions.splitlines():
            question, *accept = (each.strip() for each in line.split("|"))
            found.append(Fact(file.stem, text, question, tuple(each for each in accept if each)))
    return found
