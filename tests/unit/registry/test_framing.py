from uuid import UUID

import pytest

from carteiro.registry.errors import SchemaUnknown
from carteiro.registry.framing import SCHEMA_ID_HEADER, Frame, read_frame, write_indexes
from carteiro.wire.event_format import EventUnreadable
from tests.unit.wire.fake_record import FakeRecord

GUID = UUID("01234567-89ab-cdef-0123-456789abcdef")


def framed(value: bytes, header: bytes | None = None) -> Frame:
    frame = read_frame(FakeRecord(value, ((SCHEMA_ID_HEADER, header),) if header is not None else ()))
    assert frame is not None
    return frame


def test_id_before_the_value_is_read_and_written() -> None:
    frame = framed(b"\x00\x00\x00\x01\x02abc")
    assert (frame.schema_id, frame.payload()) == (258, b"abc")
    encoded = frame.replace(7, GUID, b"", b"xyz")
    assert (encoded.value, encoded.headers) == (b"\x00\x00\x00\x00\x07xyz", ())


def test_guid_in_the_header_is_read_and_written() -> None:
    frame = framed(b"abc", b"\x01" + GUID.bytes)
    assert (frame.schema_id, frame.payload()) == (GUID, b"abc")
    encoded = frame.replace(7, UUID(int=5), b"", b"xyz")
    assert (encoded.value, encoded.headers) == (b"xyz", ((SCHEMA_ID_HEADER, b"\x01" + UUID(int=5).bytes),))


def test_header_has_the_id_if_the_registry_has_no_guid() -> None:
    encoded = framed(b"abc", b"\x01" + GUID.bytes).replace(7, None, b"\x00", b"xyz")
    assert (encoded.value, encoded.headers) == (b"xyz", ((SCHEMA_ID_HEADER, b"\x00\x00\x00\x00\x07\x00"),))


@pytest.mark.parametrize("indexes", [(0,), (1,), (2, 0, 70)])
def test_message_indexes_are_read_as_they_are_written(indexes: tuple[int, ...]) -> None:
    encoded = write_indexes(indexes)
    assert framed(b"\x00\x00\x00\x00\x01" + encoded + b"abc").split_indexes() == (indexes, b"abc")
    assert framed(b"abc", b"\x01" + GUID.bytes + encoded).split_indexes() == (indexes, b"abc")


@pytest.mark.parametrize("value", [b"", b"{}", b"\xef\xbb\xbf{}", b"text"])
def test_value_without_an_id_has_no_frame(value: bytes) -> None:
    assert read_frame(FakeRecord(value)) is None


@pytest.mark.parametrize(
    ("value", "header"), [(b"\x00\x00", None), (b"\x01abc", None), (b"{}", b""), (b"{}", b"\x02"), (b"{}", b"\x00")]
)
def test_id_that_is_cut_off_is_unreadable(value: bytes, header: bytes | None) -> None:
    with pytest.raises(EventUnreadable):
        framed(value, header)


def test_id_that_no_registry_gives_is_unknown() -> None:
    with pytest.raises(SchemaUnknown):
        framed(b"\x00\xff\xff\xff\xffabc")


@pytest.mark.parametrize("indexes", [b"", b"\x02", b"\x01", b"\xff\xff", b"\xff" * 9, b"\xfe\x01" + b"\x00" * 200])
def test_message_indexes_that_are_cut_off_or_too_many_are_unreadable(indexes: bytes) -> None:
    with pytest.raises(EventUnreadable):
        framed(b"\x00\x00\x00\x00\x01" + indexes).split_indexes()
