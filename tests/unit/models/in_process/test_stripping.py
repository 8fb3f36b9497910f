"""A completion that is shown while it is written."""

import pytest

from carteiro.models.in_process.stripping import Stripping


@pytest.mark.parametrize(
    "pieces", [["  ", "\n a", " b ", "", " c", "  \n", " "], ["a"], [" "], [], ["a ", "b"], [" a  b "]]
)
def test_pieces_together_are_the_text_without_the_white_space_around_it(pieces):
    said: list[str] = []
    shown = Stripping(said.append)
    for piece in pieces:
        shown.add(piece)
    assert "".join(said) == "".join(pieces).strip()
    assert all(said)
