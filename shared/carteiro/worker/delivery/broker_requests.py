"""Requests in versions that aiokafka does not have.

They read topic ids, instance ids of group members, end offsets of leader epochs, committed offsets that wait for
transactions to end (KIP-447), and the states of transactions (KIP-664).
"""

from typing import Any

from aiokafka import TopicPartition
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

OFFSET_FOR_LEADER_EPOCH = 23
"""API key of `OffsetForLeaderEpoch`."""
DESCRIBE_TRANSACTIONS = 65
"""API key of `DescribeTransactions`."""
_TEXT = CompactString("utf-8")


def _structure(*fields: tuple[str, Any]) -> Schema:
    """Return the schema of a structure with tagged fields at its end (KIP-482)."""
    return Schema(*fields, ("tags", TaggedFields))


def _structures(*fields: tuple[str, Any]) -> CompactArray:
    return CompactArray(_structure(*fields))


class _MetadataResponse(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = _structure(
        ("throttle_time_ms", Int32),
        ("brokers", _structures(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT))),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            _structures(
                ("error_code", Int16),
                ("name", _TEXT),
                ("id_high", Int64),
                ("id_low", Int64),
                ("is_internal", Boolean),
                (
                    "partitions",
                    _structures(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("operations", Int32),
    )


class _MetadataStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = _structure(
        ("topics", _structures(("id_high", Int64), ("id_low", Int64), ("name", _TEXT))),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
    )


class TopicMetadataRequest(Request[_MetadataStruct]):  # type: ignore[misc]
    """`Metadata`, version 10: a topic with its id. The request never makes a broker create the topic."""

    API_KEY = 3

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([(0, 0, self._topic, {})], False, False, False, {})


class _DescribeGroupsResponse(Response):  # type: ignore[misc]
    API_KEY = 15
    API_VERSION = 5
    SCHEMA = _structure(
        ("throttle_time_ms", Int32),
        (
            "groups",
            _structures(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("protocol", _TEXT),
                (
                    "members",
                    _structures(
                        ("member_id", _TEXT),
                        ("instance_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("metadata", CompactBytes),
                        ("assignment", CompactBytes),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
    )


class _DescribeGroupsStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 15
    API_VERSION = 5
    RESPONSE_TYPE = _DescribeGroupsResponse
    SCHEMA = _structure(("groups", CompactArray(_TEXT)), ("operations", Boolean))


class DescribeGroupRequest(Request[_DescribeGroupsStruct]):  # type: ignore[misc]
    """`DescribeGroups`, version 5: members with their instance ids."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._group], False, {})


class _OffsetForLeaderEpochResponse(Response):  # type: ignore[misc]
    API_KEY = OFFSET_FOR_LEADER_EPOCH
    API_VERSION = 4
    SCHEMA = _structure(
        ("throttle_time_ms", Int32),
        (
            "topics",
            _structures(
                ("name", _TEXT),
                (
                    "partitions",
                    _structures(
                        ("error_code", Int16), ("partition", Int32), ("leader_epoch", Int32), ("end_offset", Int64)
                    ),
                ),
            ),
        ),
    )


class _OffsetForLeaderEpochStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = OFFSET_FOR_LEADER_EPOCH
    API_VERSION = 4
    RESPONSE_TYPE = _OffsetForLeaderEpochResponse
    SCHEMA = _structure(
        ("replica_id", Int32),
        (
            "topics",
            _structures(
                ("name", _TEXT),
                (
                    "partitions",
                    _structures(("partition", Int32), ("current_leader_epoch", Int32), ("leader_epoch", Int32)),
                ),
            ),
        ),
    )


class OffsetForLeaderEpochRequest(Request[_OffsetForLeaderEpochStruct]):  # type: ignore[misc]
    """`OffsetForLeaderEpoch`, version 4: the end offset of a leader epoch in a log."""

    API_KEY = OFFSET_FOR_LEADER_EPOCH

    def __init__(self, partition: TopicPartition, epoch: int) -> None:
        self._partition, self._epoch = partition, epoch

    def build(self, request_struct_class: Any) -> Any:
        partitions: list[Any] = [(self._partition.partition, -1, self._epoch, {})]
        return request_struct_class(-1, [(self._partition.topic, partitions, {})], {})


class _OffsetFetchResponse(Response):  # type: ignore[misc]
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = _structure(
        ("throttle_time_ms", Int32),
        (
            "topics",
            _structures(
                ("name", _TEXT),
                (
                    "partitions",
                    _structures(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                    ),
                ),
            ),
        ),
        ("error_code", Int16),
    )


class _OffsetFetchStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = _OffsetFetchResponse
    SCHEMA = _structure(
        ("group", _TEXT),
        ("topics", _structures(("name", _TEXT), ("partitions", CompactArray(Int32)))),
        ("require_stable", Boolean),
    )


class StableOffsetFetchRequest(Request[_OffsetFetchStruct]):  # type: ignore[misc]
    """`OffsetFetch`, version 7: a group's offset in a partition; an error while a transaction is committing it."""

    API_KEY = 9

    def __init__(self, group: str, partition: TopicPartition) -> None:
        self._group, self._partition = group, partition

    def build(self, request_struct_class: Any) -> Any:
        topics: list[Any] = [(self._partition.topic, [self._partition.partition], {})]
        return request_struct_class(self._group, topics, True, {})


class _DescribeTransactionsResponse(Response):  # type: ignore[misc]
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    SCHEMA = _structure(
        ("throttle_time_ms", Int32),
        (
            "transactions",
            _structures(
                ("error_code", Int16),
                ("transactional_id", _TEXT),
                ("state", _TEXT),
                ("timeout_ms", Int32),
                ("start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                ("topics", _structures(("name", _TEXT), ("partitions", CompactArray(Int32)))),
            ),
        ),
    )


class _DescribeTransactionsStruct(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = DESCRIBE_TRANSACTIONS
    API_VERSION = 0
    RESPONSE_TYPE = _DescribeTransactionsResponse
    SCHEMA = _structure(("transactional_ids", CompactArray(_TEXT)))


class DescribeTransactionRequest(Request[_DescribeTransactionsStruct]):  # type: ignore[misc]
    """`DescribeTransactions`, version 0: the state of the latest transaction of a transactional id."""

    API_KEY = DESCRIBE_TRANSACTIONS

    def __init__(self, transactional_id: str) -> None:
        self._transactional_id = transactional_id

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class([self._transactional_id], {})
