"""White space of a streamed completion."""

import pytest

from carteiro.models.local.text_generation.whitespace import WhitespaceTrimmer


@pytest.mark.parametrize(
    "pieces", [["  ", "\n a", " b ", "", " c", "  \n", " "], ["a"], [" "], [], ["a ", "b"], [" a  b "]]
)
def test_pieces_are_the_text_without_surrounding_white_space(pieces):
    passed: list[str] = []
    trimmer = WhitespaceTrimmer(passed.append)
    for piece in pieces:
        trimmer(piece)
    assert "".join(passed) == "".join(pieces).strip()
    assert all(passed)
