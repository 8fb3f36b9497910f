"""`OffsetFetch` that waits for transactions to end (KIP-447), which aiokafka's own versions of the request cannot.

A transaction's commit of offsets may become visible a while after the transaction has ended. A lane that took over
in between would read an older ledger, and publish again what the transaction published.
"""

from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata

NONE, COORDINATOR_LOADING, COORDINATOR_UNAVAILABLE, NOT_COORDINATOR, UNSTABLE = 0, 14, 15, 16, 88
"""Error codes of the protocol that mean something here."""


class _Response(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _Struct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(("name", CompactString("utf-8")), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsetFetch(Request[_Struct]):  # type: ignore[misc]
    API_KEY = 9

    def __init__(self, group: str, partition: TopicPartition) -> None:
        self._group, self._partition = group, partition

    def build(self, request_struct_class: Any) -> Any:
        topics: list[Any] = [(self._partition.topic, [self._partition.partition], {})]
        return request_struct_class(self._group, topics, True, {})


async def fetch_stable(consumer: AIOKafkaConsumer, partition: TopicPartition) -> tuple[int, OffsetAndMetadata | None]:
    """An error code, and what is committed for the partition where there is none and something is."""
    coordinator = consumer._coordinator  # noqa: SLF001
    response = await coordinator._send_req(_StableOffsetFetch(coordinator.group_id, partition))  # noqa: SLF001
    if response.error_code != NONE:
        return int(response.error_code), None
    _, offset, _, metadata, code, _ = response.topics[0][1][0]
    return int(code), OffsetAndMetadata(offset, metadata or "") if code == NONE and offset >= 0 else None
