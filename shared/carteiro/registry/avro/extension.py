"""The schema of enriched Avro events, and the events' bytes with the new fields written into them.

The bytes of all other fields are copied. A field is added to the definition of its record, so every value of that
record in the event gets it; it is null except at the path that is written.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from carteiro.registry.avro.member_schema import new_field
from carteiro.registry.avro.reader import READ_ERRORS, Readers, read_count, read_long, unreadable
from carteiro.registry.avro.types import (
    ArrayType,
    AvroSchema,
    AvroType,
    MapType,
    RecordType,
    UnionType,
    parse_schema,
    records_in,
)
from carteiro.registry.avro.writer import Writer, writer_of
from carteiro.registry.codec import nest
from carteiro.registry.framing import Frame
from carteiro.registry.member_types import MemberType, RecordOf, as_member
from carteiro.registry.registered_schema import FetchedSchema, SchemaText
from carteiro.registry.varint import write_varint
from carteiro.wire.event_format import MemberRefused, Path

Edit = tuple[int, int, bytes]
"""Start and end of the bytes that are replaced, and the new bytes."""
Locator = Callable[[bytes, int, Any, list[Edit]], int]
"""Adds the edits of a value that begins at an index, and returns the index after it. The third argument has the members
to write into it by name; None if there are none.
"""
_Additions = dict[str, dict[str, MemberType]]
"""New fields by the full name of their record."""


class AvroExtension:
    """The schema of enriched events, and the way to write them."""

    undeclared: SchemaText | None = None

    def __init__(self, fetched: FetchedSchema, schema: AvroSchema, members: RecordOf) -> None:
        """Extend a schema. Raise `MemberRefused` if it cannot have the members."""
        self._members, self._added = members, _Additions()
        self._plan(schema.root, members, ())
        self.schema = _extended_text(fetched, schema, self._added)
        self._extended = parse_schema(FetchedSchema(self.schema, fetched.referenced if self.schema.references else ()))
        self._writers = {
            name: [(each, kind, self._field_writer(name, each, kind)) for each, kind in fields.items()]
            for name, fields in self._added.items()
        }
        self._readers, self._locators = Readers(), dict[tuple[int, int], Locator]()
        self._touched: dict[int, bool] = {}
        self._locate = self._locator(schema.root, members, ())
        self.record_name = schema.root.name if isinstance(schema.root, RecordType) else None

    def encode(self, frame: Frame, members: Mapping[Path, Any]) -> bytes:
        payload = frame.payload()
        edits: list[Edit] = []
        try:
            self._locate(payload, 0, nest(members), edits)
        except MemberRefused:
            raise
        except READ_ERRORS as error:
            raise unreadable(error) from None
        parts: list[bytes] = []
        copied = 0
        for start, end, new in edits:
            parts += (payload[copied:start], new)
            copied = end
        return b"".join((*parts, payload[copied:]))

    def _plan(self, kind: AvroType, members: RecordOf, path: Path) -> None:
        """Add to `_added` the fields that the records of a type need. Raise `MemberRefused`."""
        records = records_in(kind)
        if not records:
            raise MemberRefused(f"{'.'.join(path) or 'the event'} is no record in the schema")
        for record in records:
            for name, member in members.fields:
                field = record.fields.get(name)
                if field is None:
                    if self._added.setdefault(record.name, {}).setdefault(name, member) != member:
                        raise MemberRefused(f"{record.name} would get two fields {name} of different types")
                elif isinstance(member, RecordOf) and records_in(field):
                    self._plan(field, member, (*path, name))
                elif writer_of(field, member) is None:
                    raise MemberRefused(f"{'.'.join((*path, name))} is of another type in the schema")

    def _locator(self, kind: AvroType, members: RecordOf | None, path: Path) -> Locator:
        """Return the locator of a type. `members` are the types of the members that are written into it."""
        if members is None and not self._is_touched(kind):
            read = self._readers.of(kind)
            return lambda data, at, _, __: read(data, at)[1]
        match kind:
            case RecordType():
                return self._record_locator(kind, members, path)
            case UnionType():
                return self._union_locator(kind, members, path)
            case ArrayType(items=items):
                return _block_locator(self._locator(items, None, path), is_map=False)
            case MapType(values=values):
                return _block_locator(self._locator(values, None, path), is_map=True)
        raise MemberRefused(f"{'.'.join(path)} is no record in the schema")

    def _record_locator(self, record: RecordType, members: RecordOf | None, path: Path) -> Locator:
        key = (id(record), id(members))
        if key in self._locators:
            return self._locators[key]
        fields: list[tuple[str, Locator]] = []
        added = self._writers.get(record.name, [])

        def locate(data: bytes, at: int, values: Any, edits: list[Edit]) -> int:
            for name, field in fields:
                at = field(data, at, values.get(name) if values else None, edits)
            if added:
                edits.append((at, at, _write_added(added, values or {})))
            return at

        self._locators[key] = locate
        types = dict(members.fields) if members else {}
        for name, kind in record.fields.items():
            member = types.get(name)
            if member is None or (isinstance(member, RecordOf) and records_in(kind)):
                fields.append((name, self._locator(kind, member, (*path, name))))
            else:
                fields.append((name, self._replacer(kind, member, self._field_writer(record.name, name, member))))
        return locate

    def _replacer(self, kind: AvroType, member: MemberType, write: Writer) -> Locator:
        """Return the locator of a field whose value is replaced."""
        locate = self._locator(kind, None, ())

        def replace(data: bytes, at: int, value: Any, edits: list[Edit]) -> int:
            if value is None:
                return locate(data, at, None, edits)
            end = locate(data, at, None, [])
            edits.append((at, end, write(as_member(member, value))))
            return end

        return replace

    def _union_locator(self, union: UnionType, members: RecordOf | None, path: Path) -> Locator:
        branches = [
            self._locator(each, members if isinstance(each, RecordType) else None, path) for each in union.branches
        ]
        create = self._creator(union, members) if members is not None else None

        def locate(data: bytes, at: int, values: Any, edits: list[Edit]) -> int:
            index, start = read_long(data, at)
            if index < 0:
                raise ValueError("a union has a negative index")
            if not values or isinstance(union.branches[index], RecordType):
                return branches[index](data, start, values, edits)
            if create is None or index != union.null_index:
                raise MemberRefused(f"{'.'.join(path) or 'the event'} is no object")
            edits.append((at, start, create(values)))
            return start

        return locate

    def _creator(self, union: UnionType, members: RecordOf) -> Writer | None:
        """Return the writer of a record in place of null; None if there are several, or it has fields without null."""
        records = records_in(union)
        if len(records) != 1:
            return None
        write = writer_of(_record(self._extended, records[0].name), members)
        prefix = write_varint(union.branches.index(records[0]))
        return None if write is None else lambda values: prefix + write(as_member(members, values))

    def _field_writer(self, record: str, field: str, member: MemberType) -> Writer:
        """Return the writer of a field of the extended schema. Raise `MemberRefused`."""
        write = writer_of(_record(self._extended, record).fields[field], member)
        if write is None:
            raise MemberRefused(f"{field} of {record} is of another type in the schema")
        return write

    def _is_touched(self, kind: AvroType) -> bool:
        """Return True if a value of the type may contain a record that gets fields."""
        if id(kind) not in self._touched:
            seen: set[int] = set()
            touched = self._reaches_added(kind, seen)
            self._touched |= {id(kind): True} if touched else dict.fromkeys(seen, False)
        return self._touched[id(kind)]

    def _reaches_added(self, kind: AvroType, seen: set[int]) -> bool:
        if id(kind) in seen:
            return False
        seen.add(id(kind))
        match kind:
            case RecordType():
                return kind.name in self._added or any(self._reaches_added(each, seen) for each in kind.fields.values())
            case UnionType(branches=branches):
                return any(self._reaches_added(each, seen) for each in branches)
            case ArrayType(items=inner) | MapType(values=inner):
                return self._reaches_added(inner, seen)
        return False


def _write_added(added: list[tuple[str, MemberType, Writer]], values: dict[str, Any]) -> bytes:
    return b"".join(write(as_member(kind, values.get(name))) for name, kind, write in added)


def _block_locator(item: Locator, *, is_map: bool) -> Locator:
    """Return the locator of an array or map whose items get fields. A block's size in bytes is left out."""

    def locate(data: bytes, at: int, _: Any, edits: list[Edit]) -> int:
        while True:
            start = at
            count, at = read_count(data, at)
            if data[start] & 1:
                # A negative count is followed by the block's size, which would be wrong now.
                edits.append((start, at, write_varint(count)))
            if count == 0:
                return at
            for _ in range(count):
                if is_map:
                    size, at = read_long(data, at)
                    at += size
                at = item(data, at, None, edits)

    return locate


def _record(schema: AvroSchema, name: str) -> RecordType:
    record = schema.names[name]
    assert isinstance(record, RecordType)
    return record


def _extended_text(fetched: FetchedSchema, schema: AvroSchema, added: _Additions) -> SchemaText:
    """Return the text of the schema with the fields added.

    It keeps its references, except if a record of one gets fields: then the text contains all types.
    """
    if not added:
        return fetched.root
    root, references = json.loads(fetched.root.text), fetched.root.references
    definitions = _definitions(root)
    if not set(added) <= set(definitions):
        root, references = json.loads(json.dumps(schema.inlined)), ()
        definitions = _definitions(root)
    taken = set(schema.names)
    for name, fields in added.items():
        definitions[name]["fields"] += [new_field(each, kind, name, taken) for each, kind in fields.items()]
    return SchemaText("AVRO", json.dumps(root, ensure_ascii=False), references)


def _definitions(root: Any) -> dict[str, Any]:
    """Return the definitions of records by full name in the JSON of a schema."""
    found: dict[str, Any] = {}

    def walk(schema: Any, namespace: str) -> None:
        if isinstance(schema, list):
            for each in schema:
                walk(each, namespace)
        if not isinstance(schema, dict):
            return
        if schema["type"] in ("record", "error"):
            name = schema["name"]
            if "." not in name:
                namespace = schema.get("namespace", namespace)
                name = f"{namespace}.{name}" if namespace else name
            namespace = name.rpartition(".")[0]
            found[name] = schema
            for field in schema["fields"]:
                walk(field["type"], namespace)
        elif isinstance(schema["type"], dict | list):
            walk(schema["type"], namespace)
        else:
            walk(schema.get("items", schema.get("values")), namespace)

    walk(root, "")
    return found
