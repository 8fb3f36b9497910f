"""Documents as records carry them."""

import pytest
from pydantic import ValidationError

from carteiro.schemas.document import DocumentRecord
from carteiro.schemas.field_errors import explain, field_errors


@pytest.mark.parametrize("value", [{"north": 1}, ["north"], float("nan")])
def test_field_that_cannot_be_filtered_by_has_one_reason(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        DocumentRecord.model_validate({"text": "a", "fields": {"tenant": value}})
    reasons = explain(field_errors(caught.value, root="document", document="a document"))
    assert reasons == "fields.tenant: must be a text, a finite number, true, false or null"


def test_values_of_fields_keep_their_type() -> None:
    fields = {"a": "x", "b": 1, "c": 1.5, "d": True, "e": None}
    found = DocumentRecord.model_validate({"text": "a", "fields": fields}).fields
    assert found == fields
    assert {name: type(value) for name, value in (found or {}).items()} == {k: type(v) for k, v in fields.items()}
