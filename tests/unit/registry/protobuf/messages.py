"""Message classes of the tests' schemas, made without a compiler."""

from typing import Any

from confluent_kafka.schema_registry.common.protobuf import _init_pool
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PLACE = """
name: "place.proto" package: "shop" syntax: "proto3"
message_type {
  name: "Place"
  field { name: "city" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
}
"""

REVIEW = """
name: "review.proto" package: "shop" syntax: "proto3"
dependency: "place.proto"
dependency: "google/protobuf/timestamp.proto"
dependency: "google/protobuf/wrappers.proto"
dependency: "google/protobuf/struct.proto"
dependency: "confluent/type/decimal.proto"
message_type {
  name: "Other"
  field { name: "x" number: 1 type: TYPE_INT32 label: LABEL_OPTIONAL }
}
message_type {
  name: "Review"
  field { name: "text" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
  field { name: "n" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
  field { name: "big" number: 3 type: TYPE_UINT64 label: LABEL_OPTIONAL }
  field { name: "d" number: 4 type: TYPE_DOUBLE label: LABEL_OPTIONAL }
  field { name: "raw" number: 5 type: TYPE_BYTES label: LABEL_OPTIONAL }
  field { name: "color" number: 6 type: TYPE_ENUM type_name: ".shop.Review.Color" label: LABEL_OPTIONAL }
  field { name: "tags" number: 7 type: TYPE_STRING label: LABEL_REPEATED }
  field { name: "counts" number: 8 type: TYPE_MESSAGE type_name: ".shop.Review.CountsEntry" label: LABEL_REPEATED }
  field { name: "row" number: 9 type: TYPE_MESSAGE type_name: ".shop.Review.Row" label: LABEL_OPTIONAL }
  field { name: "place" number: 10 type: TYPE_MESSAGE type_name: ".shop.Place" label: LABEL_OPTIONAL }
  field { name: "at" number: 11 type: TYPE_MESSAGE type_name: ".google.protobuf.Timestamp" label: LABEL_OPTIONAL }
  field { name: "score" number: 12 type: TYPE_MESSAGE type_name: ".google.protobuf.Int64Value" label: LABEL_OPTIONAL }
  field { name: "extra" number: 13 type: TYPE_MESSAGE type_name: ".google.protobuf.Struct" label: LABEL_OPTIONAL }
  field { name: "price" number: 14 type: TYPE_MESSAGE type_name: ".confluent.type.Decimal" label: LABEL_OPTIONAL }
  field {
    name: "note" number: 15 type: TYPE_STRING label: LABEL_OPTIONAL proto3_optional: true oneof_index: 0
  }
  nested_type {
    name: "Row"
    field { name: "id" number: 1 type: TYPE_INT64 label: LABEL_OPTIONAL }
  }
  nested_type {
    name: "CountsEntry"
    field { name: "key" number: 1 type: TYPE_STRING label: LABEL_OPTIONAL }
    field { name: "value" number: 2 type: TYPE_INT64 label: LABEL_OPTIONAL }
    options { map_entry: true }
  }
  enum_type { name: "Color" value { name: "RED" number: 0 } value { name: "BLUE" number: 1 } }
  oneof_decl { name: "_note" }
}
"""


def message_class(name: str, *files: str) -> Any:
    """Return the class of a message in the files, each in text form; a file stands after those that it imports."""
    pool = DescriptorPool()
    _init_pool(pool)
    for file in files:
        pool.AddSerializedFile(text_format.Parse(file, FileDescriptorProto()).SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(name))
