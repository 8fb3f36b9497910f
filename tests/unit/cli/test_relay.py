"""The relay's changes to requests and responses, on frames as clients and brokers write them."""

import struct

import pytest
from aiokafka.protocol.group import (
    HeartbeatRequest_v1,
    JoinGroupRequest_v2,
    JoinGroupRequest_v5,
    LeaveGroupRequest_v1,
    SyncGroupRequest_v1,
)

from carteiro.cli.relay import SESSION_MS, FieldReader, GroupTracker, without_tags

CLIENT = b"client"
JOIN = {
    2: JoinGroupRequest_v2("group", 30_000, 60_000, "", "consumer", [("range", b"x")]).encode(),
    5: JoinGroupRequest_v5("group", 30_000, 60_000, "", None, "consumer", [("range", b"x")]).encode(),
}
FLEXIBLE_JOIN = b"\x06group" + struct.pack(">ii", 30_000, 60_000) + b"\x01\x00\x09consumer\x01\x00"


def frame(kind: int, version: int, body: bytes, *, flexible: bool = False) -> bytes:
    head = struct.pack(">hhih", kind, version, 7, len(CLIENT)) + CLIENT
    return head + (b"\x00" if flexible else b"") + body


def beat(groups: GroupTracker, now: float) -> None:
    groups.on_request(frame(12, 1, HeartbeatRequest_v1("group", 3, "me").encode()), now)


@pytest.mark.parametrize("request_", [frame(11, version, body) for version, body in JOIN.items()])
def test_group_joins_with_a_short_session_and_all_else_is_unchanged(request_: bytes):
    changed = GroupTracker().on_request(request_, 0)
    assert changed != request_
    assert changed.replace(struct.pack(">i", SESSION_MS), struct.pack(">i", 30_000), 1) == request_


def test_flexible_join_is_parsed_too():
    request = frame(11, 9, FLEXIBLE_JOIN, flexible=True)
    changed = GroupTracker().on_request(request, 0)
    assert changed == request.replace(struct.pack(">i", 30_000), struct.pack(">i", SESSION_MS))


def test_shorter_session_is_unchanged():
    request = frame(11, 2, JoinGroupRequest_v2("group", 1_000, 60_000, "", "consumer", []).encode())
    assert GroupTracker().on_request(request, 0) == request


def test_member_is_kept_alive_for_its_own_session_timeout():
    groups = GroupTracker()
    groups.on_request(frame(11, 2, JOIN[2]), 0)
    groups.on_request(frame(14, 1, SyncGroupRequest_v1("group", 3, "me", []).encode()), 1)
    ((group, member, request),) = groups.heartbeats(30.9)
    assert (group, member) == (b"group", b"me")
    fields = FieldReader(request)
    assert [fields.number("h"), fields.number("h"), fields.number("i"), fields.number("h")] == [12, 0, 0, -1]
    assert (fields.text(), fields.number("i"), fields.text()) == (b"group", 3, b"me")
    beat(groups, 30.95)
    assert len(groups.heartbeats(60)) == 1
    assert groups.heartbeats(61) == []


def test_member_that_leaves_or_is_unknown_is_not_kept_alive():
    groups = GroupTracker()
    beat(groups, 0)
    groups.on_request(frame(13, 1, LeaveGroupRequest_v1("group", "me").encode()), 0)
    assert groups.heartbeats(0) == []
    beat(groups, 0)
    groups.remove_member(b"group", b"me")
    assert groups.heartbeats(0) == []


def test_other_requests_are_unchanged():
    request = frame(0, 8, b"anything \x00 at all")
    assert GroupTracker().on_request(request, 0) == request


def test_response_about_versions_loses_only_its_tags():
    plain = struct.pack(">ih", 7, 0) + b"\x03" + struct.pack(">hhh", 0, 3, 11) + b"\x00"
    plain += struct.pack(">hhh", 1, 4, 13) + b"\x01\x05\x02ab" + struct.pack(">i", 0)
    assert without_tags(plain + b"\x02\x00\x01\x01\x03\x01\x00") == plain + b"\x00"
    assert without_tags(plain + b"\x00") == plain + b"\x00"
