"""Avro types of the members that an enrichment writes."""

import re
from typing import Any

from carteiro.registry.member_types import Boolean, Integer, JsonText, ListOf, MemberType, Number, RecordOf, Text
from carteiro.wire.event_format import MemberRefused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def new_field(name: str, member: MemberType, record_name: str, taken: set[str]) -> dict[str, Any]:
    """Return the JSON of an optional field. Names of its records begin with the name of the record that it is in.

    `taken` has the full names of the schema's types; the names of the new records are added to it. Raise
    `MemberRefused` if `name` is no name in Avro.
    """
    if not _NAME.fullmatch(name):
        raise MemberRefused(f"{name!r} is no name of an Avro field: letters, digits and '_'")
    return {"name": name, "type": ["null", _type(member, record_name + _camel(name), taken)], "default": None}


def _type(member: MemberType, name: str, taken: set[str]) -> Any:
    match member:
        case Text() | JsonText():
            return "string"
        case Integer():
            return "long"
        case Number():
            return "double"
        case Boolean():
            return "boolean"
        case ListOf(items):
            return {"type": "array", "items": _type(items, name, taken)}
        case RecordOf(fields):
            while name in taken:
                name += "_"
            taken.add(name)
            namespace, _, simple = name.rpartition(".")
            inner = [new_field(each, kind, name, taken) for each, kind in fields]
            return {"type": "record", "name": simple, "namespace": namespace, "fields": inner}


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
