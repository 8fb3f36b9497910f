"""The encoded bytes of the requests that aiokafka does not have."""

import pytest
from aiokafka import TopicPartition

from carteiro.worker.delivery import broker_requests as requests

PARTITION = TopicPartition("t", 3)


@pytest.mark.parametrize(
    ("request_", "struct", "sent"),
    [
        (requests.TopicMetadataRequest("t"), requests._MetadataStruct, "02" + 16 * "00" + "02740000000000"),
        (requests.DescribeGroupRequest("g"), requests._DescribeGroupsStruct, "0202670000"),
        (
            requests.OffsetForLeaderEpochRequest(PARTITION, 7),
            requests._OffsetForLeaderEpochStruct,
            "ffffffff0202740200000003ffffffff00000007000000",
        ),
        (requests.StableOffsetFetchRequest("g", PARTITION), requests._OffsetFetchStruct, "02670202740200000003000100"),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "build") else "",
)
def test_request_is_encoded_as_its_version_requires(request_, struct, sent):
    assert request_.build(struct).encode() == bytes.fromhex(sent)


def test_stable_offset_fetch_response_is_decoded():
    answer = bytes.fromhex("00000000" + "02" + "0274" + "02" + "00000003" + "0000000000000009" + "00000004" + "036f6b")
    answer += bytes.fromhex("0000" + "00" + "00" + "0000" + "00")
    read = requests._OffsetFetchStruct.RESPONSE_TYPE.decode(answer)
    assert read.topics == [("t", [(3, 9, 4, "ok", 0, {})], {})]
    assert read.error_code == 0
