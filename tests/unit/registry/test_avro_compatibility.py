"""The rules of the test server, which stand in place of the real registry's."""

import json
from typing import Any

import pytest

from tests.registry_server.avro_compatibility import incompatibilities
from tests.registry_server.schema_forms import parse


def record(*fields: Any, name: str = "R") -> Any:
    kinds = [each if isinstance(each, dict) else {"name": f"f{n}", "type": each} for n, each in enumerate(fields)]
    return {"type": "record", "name": name, "fields": kinds}


def reasons(reader: Any, writer: Any) -> list[str]:
    return incompatibilities(*(parse("AVRO", json.dumps(each), {}) for each in (reader, writer)))


ADDED = {"name": "added", "type": "int"}


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (record("int"), record("int", "int")),
        (record("int", ADDED | {"default": 0}), record("int")),
        (record("long"), record("int")),
        (record(["null", "int"]), record("int")),
        (record(["null", "int"]), record(["int", "null"])),
        (record("string"), record("bytes")),
        ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, {"type": "enum", "name": "E", "symbols": ["A"]}),
        (record({"name": "new", "aliases": ["f0"], "type": "int"}), record("int")),
        (record("int", name="a.R"), record("int", name="b.R")),
        (record(["null", "R"]), record(["null", "R"])),
    ],
    ids=str,
)
def test_new_schema_reads_old_data(reader: Any, writer: Any) -> None:
    assert reasons(reader, writer) == []


@pytest.mark.parametrize(
    ("reader", "writer", "reason"),
    [
        (record("int", ADDED), record("int"), "READER_FIELD_MISSING_DEFAULT_VALUE at /added"),
        (record("int"), record("long"), "TYPE_MISMATCH"),
        (record("int"), record(["null", "int"]), "TYPE_MISMATCH"),
        (record(["null", "int"]), record(["null", "string"]), "MISSING_UNION_BRANCH"),
        (record("int", name="R"), record("int", name="Other"), "NAME_MISMATCH"),
        (
            {"type": "enum", "name": "E", "symbols": ["A"]},
            {"type": "enum", "name": "E", "symbols": ["A", "B"]},
            "MISSING_ENUM_SYMBOLS",
        ),
        (
            record({"name": "f0", "type": record("int", ADDED, name="I")}),
            record({"name": "f0", "type": record("int", name="I")}),
            "at /f0/added",
        ),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "string"}, "at /items/"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_new_schema_that_cannot_read_old_data_is_told(reader: Any, writer: Any, reason: str) -> None:
    assert reason in "; ".join(reasons(reader, writer))
