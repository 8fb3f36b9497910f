"""The types of an Avro schema, with names resolved and sizes bounded."""

import json
from dataclasses import dataclass, field
from typing import Any

from fastavro.repository import AbstractSchemaRepository, SchemaRepositoryError
from fastavro.schema import SchemaParseException, load_schema

from carteiro.registry.errors import SchemaUnusable
from carteiro.registry.registered_schema import FetchedSchema

_MAX_VALUES = 100_000
"""Maximum number of JSON values in the text of a schema."""
_MAX_DEPTH = 200
"""Maximum depth of the JSON text of a schema."""
_MAX_EMPTY_VALUES = 4
"""Maximum number of values that a record has without any byte of data: a few bytes must not become many values."""


@dataclass(frozen=True, slots=True, eq=False)
class Primitive:
    """A primitive type."""

    name: str
    logical: str | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Fixed:
    """Bytes of a fixed number."""

    name: str
    size: int
    logical: str | None = None
    scale: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class EnumType:
    """An enum."""

    name: str
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayType:
    """An array."""

    items: "AvroType"


@dataclass(frozen=True, slots=True, eq=False)
class MapType:
    """A map. Its keys are strings."""

    values: "AvroType"


@dataclass(frozen=True, slots=True, eq=False)
class UnionType:
    """A union."""

    branches: "tuple[AvroType, ...]"

    @property
    def null_index(self) -> int | None:
        """Index of the branch null."""
        return next((index for index, each in enumerate(self.branches) if is_null(each)), None)


@dataclass(slots=True, eq=False)
class RecordType:
    """A record. Its fields are added after it was made: it may contain itself."""

    name: str
    """Full name."""
    fields: "dict[str, AvroType]" = field(default_factory=dict)


AvroType = Primitive | Fixed | EnumType | ArrayType | MapType | UnionType | RecordType


def is_null(kind: AvroType) -> bool:
    """Return True for the type null."""
    return isinstance(kind, Primitive) and kind.name == "null"


def records_in(kind: AvroType) -> list[RecordType]:
    """Return the type if it is a record; the records among its branches if it is a union."""
    branches = kind.branches if isinstance(kind, UnionType) else (kind,)
    return [each for each in branches if isinstance(each, RecordType)]


@dataclass(frozen=True, slots=True)
class AvroSchema:
    """A parsed schema."""

    root: AvroType
    names: dict[str, AvroType]
    """Named types by their full names."""
    inlined: Any
    """JSON of the schema with full names. It contains the types that the schema refers to."""


def parse_schema(schema: FetchedSchema) -> AvroSchema:
    """Return the parsed schema. Raise `SchemaUnusable`."""
    documents = {name: _load(text.text) for name, text in schema.referenced}
    root = _load(schema.root.text)
    try:
        inlined = _without_hints(load_schema("", repo=_Documents(documents | {"": root})))
        names: dict[str, AvroType] = {}
        parsed = AvroSchema(_build(inlined, names), names, inlined)
        _check_empty_values(parsed)
    except SchemaUnusable:
        raise
    except (SchemaParseException, SchemaRepositoryError) as error:
        raise SchemaUnusable(f"the schema is no Avro schema: {str(error)[:200]}") from None
    except (RecursionError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SchemaUnusable(f"the schema is no Avro schema ({type(error).__name__})") from None
    return parsed


class _Documents(AbstractSchemaRepository):  # type: ignore[misc]  # the library has no types here
    """Referenced schemas by name."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self._documents = documents

    def load(self, name: str) -> Any:
        if name not in self._documents:
            raise SchemaRepositoryError(f"unknown type {name[:100]}")
        return self._documents[name]


def _load(text: str) -> Any:
    """Return the JSON of a schema. It is checked level by level, without recursion."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise SchemaUnusable("the schema is no JSON") from None
    level, values, depth = [document], 0, 0
    while level:
        values, depth = values + len(level), depth + 1
        if values > _MAX_VALUES or depth > _MAX_DEPTH:
            raise SchemaUnusable(f"the schema has more than {_MAX_VALUES:,} values, or is nested too deeply")
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
    return document


def _without_hints(schema: Any) -> Any:
    """Return a schema without the keys that fastavro adds."""
    if isinstance(schema, list):
        return [_without_hints(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {name: _without_hints(each) for name, each in schema.items() if not name.startswith("__")}


def _build(schema: Any, names: dict[str, AvroType]) -> AvroType:  # noqa: PLR0911  # one for each type
    if isinstance(schema, list):
        return UnionType(tuple(_build(each, names) for each in schema))
    if isinstance(schema, str):
        return names[schema] if schema in names else Primitive(schema)
    kind, logical, scale = schema["type"], schema.get("logicalType"), schema.get("scale", 0)
    match kind:
        case "record" | "error":
            record = names[schema["name"]] = RecordType(schema["name"])
            for each in schema["fields"]:
                if each["name"] in record.fields:
                    raise SchemaUnusable(f"the record {record.name[:100]} has two fields of one name")
                record.fields[each["name"]] = _build(each["type"], names)
            return record
        case "enum":
            names[schema["name"]] = EnumType(schema["name"], tuple(schema["symbols"]))
            return names[schema["name"]]
        case "fixed":
            if (size := int(schema["size"])) < 0:
                raise SchemaUnusable(f"the size of {schema['name'][:100]} is negative")
            names[schema["name"]] = Fixed(schema["name"], size, logical, int(scale))
            return names[schema["name"]]
        case "array":
            return ArrayType(_build(schema["items"], names))
        case "map":
            return MapType(_build(schema["values"], names))
        case str() if kind not in names:
            return Primitive(kind, logical if isinstance(logical, str) else None, int(scale))
    return _build(kind, names)


def _check_empty_values(schema: AvroSchema) -> None:
    """Raise `SchemaUnusable` if a value without bytes can stand in data many times."""
    weights: dict[int, int] = {}

    def weigh(kind: AvroType) -> int:
        """Return the number of values that need no bytes; 0 for a type whose values have bytes."""
        match kind:
            case Primitive(name="null") | Fixed(size=0):
                return 1
            case RecordType():
                if id(kind) not in weights:
                    weights[id(kind)] = 0  # A record that contains itself without any byte has no finite value.
                    inner = [weigh(each) for each in kind.fields.values()]
                    if sum(inner) > _MAX_EMPTY_VALUES:
                        raise SchemaUnusable(f"the record {kind.name[:100]} has too many fields without bytes")
                    weights[id(kind)] = 1 + sum(inner) if all(inner) else 0
                return weights[id(kind)]
            case UnionType():
                for each in kind.branches:
                    weigh(each)
            case ArrayType(items=items):
                if weigh(items):
                    raise SchemaUnusable("the schema has an array of values without bytes")
            case MapType(values=values):
                weigh(values)
        return 0

    weigh(schema.root)
