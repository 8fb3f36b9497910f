"""Protobuf messages as JSON objects, for expressions.

As in Protobuf's JSON mapping, with these differences: members have the fields' names of the schema, 64-bit numbers are
numbers, and fields without presence are there with their default values. An unset field with presence is absent.
https://protobuf.dev/programming-guides/json/
"""

from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from carteiro.registry.json_values import base64_text, decimal_text, finite
from carteiro.wire.event_format import EventUnreadable

_MAX_VALUES = 1_000_000
"""Maximum number of values of an event. A message of two bytes has a value for each field without presence."""

_WELL_KNOWN = frozenset(
    f"google.protobuf.{name}" for name in ("Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue")
)
_WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Bool", "Bytes", "Double", "Float", "Int32", "Int64", "String", "UInt32", "UInt64")
)
_DECIMAL = "confluent.type.Decimal"


class _Budget:
    """Values that an event may still have."""

    def __init__(self) -> None:
        self._left = _MAX_VALUES

    def take(self, values: int) -> None:
        """Raise `EventUnreadable` if the event has more values than the limit."""
        self._left -= values
        if self._left < 0:
            raise EventUnreadable(f"the event has more than {_MAX_VALUES:,} values")


_Converter = Callable[[Any, _Budget], Any]


class Documents:
    """Conversion of the messages of one schema."""

    def __init__(self) -> None:
        self._fields: dict[str, list[tuple[str, bool, _Converter]]] = {}

    def convert(self, message: Any) -> dict[str, Any]:
        """Return a message as a JSON object. Raise `EventUnreadable` if it has more values than the limit."""
        return self._convert(message, _Budget())

    def _convert(self, message: Any, budget: _Budget) -> dict[str, Any]:
        document: dict[str, Any] = {}
        fields = self._fields_of(message.DESCRIPTOR)
        budget.take(len(fields))
        for name, has_presence, convert in fields:
            if not has_presence or message.HasField(name):
                document[name] = convert(getattr(message, name), budget)
        return document

    def _fields_of(self, descriptor: Any) -> list[tuple[str, bool, _Converter]]:
        fields = self._fields.get(descriptor.full_name)
        if fields is None:
            fields = [(field.name, field.has_presence, self._converter(field)) for field in descriptor.fields]
            self._fields[descriptor.full_name] = fields
        return fields

    def _converter(self, field: Any) -> _Converter:
        if not field.is_repeated:
            return self._value_converter(field)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            convert = self._value_converter(field.message_type.fields_by_name["value"])
            return lambda entries, budget: {_key(key): convert(entries[key], budget) for key in entries}
        convert = self._value_converter(field)
        return lambda values, budget: [convert(each, budget) for each in values]

    def _value_converter(self, field: Any) -> _Converter:
        if field.message_type is not None:
            return self._message_converter(field.message_type.full_name)
        match field.type:
            case FieldDescriptor.TYPE_BYTES:
                return lambda raw, _: base64_text(raw)
            case FieldDescriptor.TYPE_FLOAT | FieldDescriptor.TYPE_DOUBLE:
                return lambda number, _: finite(number)
            case FieldDescriptor.TYPE_ENUM:
                names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
                return lambda number, _: names.get(number, number)
        return lambda value, _: value

    def _message_converter(self, name: str) -> _Converter:
        if name in _WELL_KNOWN:
            return self._convert_well_known
        if name in _WRAPPERS:
            return lambda message, budget: self._convert(message, budget).get("value")
        if name == _DECIMAL:
            return lambda message, _: decimal_text(message.value, message.scale)
        return self._convert

    def _convert_well_known(self, message: Any, budget: _Budget) -> Any:
        try:
            return json_format.MessageToDict(message)
        except ValueError:
            return self._convert(message, budget)  # For example a time after the year 9999.


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(key).lower()
