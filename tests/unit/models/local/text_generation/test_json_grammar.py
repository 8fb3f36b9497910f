import pytest

from carteiro.models.errors import InvalidPrompt
from carteiro.models.local.text_generation.json_grammar import with_compact_whitespace


def test_error_for_unsupported_schema_is_short():
    patterns = [{"pattern": f".*a.{{{length}}}{'b' * 100}"} for length in range(1, 9)]
    with pytest.raises(InvalidPrompt, match="cannot be followed") as caught:
        with_compact_whitespace({"type": "object", "properties": {"x": {"type": "string", "allOf": patterns}}})
    assert len(caught.value.message) < 300
