"""CloudEvents 1.0 in Kafka records (the specification's Kafka Protocol Binding), binary and structured."""

import base64
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic_core import from_json, to_json

from carteiro.schemas import FieldError
from carteiro.wire.record import BYTE_ORDER_MARK, MAX_ECHO_BYTES, Headers, Record

_STRUCTURED = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """The event that carried a request."""

    content_mode: Literal["binary", "structured"]
    id: str
    data: bytes
    raw_id: bytes = b""
    """Bytes of the event's id, which the reply repeats."""
    trace: dict[str, str] = field(default_factory=dict)
    """The event's `traceparent` and `tracestate` extensions."""


def read_cloud_event(record: Record, problems: list[FieldError]) -> CloudEvent | None:
    """Return the event in a record, or None if it holds none. Add each error to `problems`."""
    headers = dict(record.headers)
    content_type = (headers.get("content-type") or b"").decode(errors="replace")
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type.startswith("application/cloudevents"):
        return _structured(record, media_type, problems)
    raw_id = headers.get("ce_id")
    if raw_id is None:
        return None
    trace = {
        name: value.decode(errors="replace")
        for name in ("traceparent", "tracestate")
        if (value := headers.get(f"ce_{name}"))
    }
    if len(raw_id) > MAX_ECHO_BYTES:
        problems.append(_id_too_long(len(raw_id), "header ce_id"))
        raw_id = b""
    return CloudEvent("binary", raw_id.decode(errors="backslashreplace"), record.value or b"", raw_id, trace)


def _structured(record: Record, media_type: str, problems: list[FieldError]) -> CloudEvent:
    event: Any = None
    reason = ""
    try:
        event = from_json((record.value or b"").removeprefix(BYTE_ORDER_MARK), allow_inf_nan=False)
    except ValueError:
        reason = "is not a CloudEvent: the record's value is not JSON in UTF-8"
    if media_type != _STRUCTURED:
        reason = f"is a CloudEvent in another form; of the structured forms, {_STRUCTURED} is understood"
    elif not reason and not isinstance(event, dict):
        reason = "is not a CloudEvent: the record's value is not a JSON object"
    if reason:
        problems.append(FieldError(field="value", reason=reason))
        return CloudEvent("structured", "", b"")
    event_id = event.get("id")
    if not isinstance(event_id, str) or not event_id:
        problems.append(FieldError(field="id", reason="a CloudEvent has an id, a text"))
        event_id = ""
    elif len(event_id) > MAX_ECHO_BYTES:
        problems.append(_id_too_long(len(event_id), "id"))
        event_id = ""
    trace = {name: event[name] for name in ("traceparent", "tracestate") if isinstance(event.get(name), str)}
    data = _event_data(event, problems)
    return CloudEvent("structured", event_id, data, event_id.encode(errors="replace"), trace)


def _id_too_long(length: int, field_name: str) -> FieldError:
    return FieldError(field=field_name, reason=f"has {length:,} bytes; at most {MAX_ECHO_BYTES:,}")


def _event_data(event: dict[str, Any], problems: list[FieldError]) -> bytes:
    if isinstance(encoded := event.get("data_base64"), str):
        try:
            return base64.b64decode(encoded, validate=True)
        except ValueError:
            problems.append(FieldError(field="data_base64", reason="is not base64"))
            return b""
    if "data" not in event:
        problems.append(FieldError(field="data", reason="the request stands in the event's data, which is missing"))
        return b""
    # The data is written as compactly as possible, so a request that was within the size limit stays within it.
    return to_json(event["data"])


def reply_event(
    event: CloudEvent,
    task: str,
    value: bytes,
    trace: dict[str, str],
    request_id: str,
    *,
    content_type: bytes = b"application/json",
) -> tuple[bytes, Headers]:
    """Return the value and the headers of an event that carries `value`, an encoded reply, in the form of the request's
    event. A structured event carries only JSON.
    """
    attributes = {
        "specversion": "1.0",
        "source": f"urn:carteiro:{task}",
        "type": f"carteiro.{task}.reply",
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        **trace,
    }
    if event.content_mode == "binary":
        headers = [(f"ce_{name}", attribute.encode()) for name, attribute in attributes.items()]
        return value, [("content-type", content_type), ("ce_id", event.raw_id), *headers]
    structured = {
        **attributes,
        "id": event.id or request_id,
        "datacontenttype": "application/json",
        "data": from_json(value),
    }
    return to_json(structured), [("content-type", f"{_STRUCTURED}; charset=utf-8".encode())]
