"""The formats that replies can be set to."""

from enum import StrEnum

from carteiro.registry.registered_schema import SchemaType


class ReplyFormatChoice(StrEnum):
    """Format of replies."""

    AUTO = "auto"
    """That of the request."""
    JSON = "json"
    """JSON without a schema."""
    AVRO = "avro"
    PROTOBUF = "protobuf"
    JSON_SCHEMA = "json_schema"

    @property
    def schema_type(self) -> SchemaType | None:
        """The type of the schemas; None if there are none, or if the request decides."""
        return _SCHEMA_TYPES.get(self)


_SCHEMA_TYPES: dict[ReplyFormatChoice, SchemaType] = {
    ReplyFormatChoice.AVRO: "AVRO",
    ReplyFormatChoice.PROTOBUF: "PROTOBUF",
    ReplyFormatChoice.JSON_SCHEMA: "JSON",
}
