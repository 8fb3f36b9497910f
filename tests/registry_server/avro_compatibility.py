"""Avro's rules by which a reader's schema reads data of a writer's schema.

https://avro.apache.org/docs/1.12.0/specification/#schema-resolution
"""

from typing import Any

_PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}


class Names:
    """Named types of a schema whose names are full, as fastavro's parser returns it."""

    def __init__(self, schema: Any) -> None:
        self.types: dict[str, Any] = {}
        self._collect(schema)

    def _collect(self, schema: Any) -> None:
        if isinstance(schema, list):
            for each in schema:
                self._collect(each)
        elif isinstance(schema, dict):
            if "name" in schema:
                self.types[schema["name"]] = schema
            for field in schema.get("fields", ()):
                self._collect(field["type"])
            for key in ("items", "values"):
                self._collect(schema.get(key))
            if isinstance(schema.get("type"), dict | list):
                self._collect(schema["type"])

    def resolve(self, schema: Any) -> Any:
        """Return the definition of a named type, and the kind of a primitive type."""
        if isinstance(schema, str):
            return self.types.get(schema, {"type": schema})
        if isinstance(schema, dict) and isinstance(schema["type"], dict | list):
            return self.resolve(schema["type"])
        return schema


def incompatibilities(reader: Any, writer: Any) -> list[str]:
    """Return the reasons why the reader's schema cannot read data of the writer's."""
    return _Check(Names(reader), Names(writer)).compare(reader, writer, "/")


class _Check:
    def __init__(self, readers: Names, writers: Names) -> None:
        self._readers, self._writers = readers, writers
        self._seen: set[tuple[str, str]] = set()

    def compare(self, reader: Any, writer: Any, path: str) -> list[str]:
        reader, writer = self._readers.resolve(reader), self._writers.resolve(writer)
        if isinstance(writer, list):
            return [reason for each in writer for reason in self.compare(reader, each, path)]
        if isinstance(reader, list):
            if any(not self.compare(each, writer, path) for each in reader):
                return []
            return [f"MISSING_UNION_BRANCH at {path}"]
        kind, other = reader["type"], writer["type"]
        if kind != other:
            return [] if kind in _PROMOTIONS.get(other, ()) else [f"TYPE_MISMATCH at {path}: {other} to {kind}"]
        match kind:
            case "array":
                return self.compare(reader["items"], writer["items"], f"{path}items/")
            case "map":
                return self.compare(reader["values"], writer["values"], f"{path}values/")
            case "record" | "enum" | "fixed":
                return self._compare_named(reader, writer, path)
        return []

    def _compare_named(self, reader: Any, writer: Any, path: str) -> list[str]:
        pair = (reader["name"], writer["name"])
        if pair in self._seen:
            return []
        names = {_simple(each) for each in (reader["name"], *reader.get("aliases", ()))}
        if _simple(writer["name"]) not in names:
            return [f"NAME_MISMATCH at {path}: {writer['name']} to {reader['name']}"]
        match reader["type"]:
            case "fixed":
                return [] if reader["size"] == writer["size"] else [f"FIXED_SIZE_MISMATCH at {path}"]
            case "enum":
                missing = set(writer["symbols"]) - set(reader["symbols"])
                return [f"MISSING_ENUM_SYMBOLS at {path}"] if missing and "default" not in reader else []
        self._seen.add(pair)
        reasons, fields = [], {each["name"]: each for each in writer["fields"]}
        for field in reader["fields"]:
            old = next((fields[name] for name in (field["name"], *field.get("aliases", ())) if name in fields), None)
            if old is not None:
                reasons += self.compare(field["type"], old["type"], f"{path}{field['name']}/")
            elif "default" not in field:
                reasons.append(f"READER_FIELD_MISSING_DEFAULT_VALUE at {path}{field['name']}")
        return reasons


def _simple(name: str) -> str:
    return name.rpartition(".")[2]
