"""Requests that are meant to harm a worker: their bodies, keys and headers, made by chance."""

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

FORBIDDEN = "this request is not valid and must cost no call"
"""Marker in each prompt of a request that no model may see."""

READABLE = "file:///usr/share/carteiro-fuzz"
"""The address that the workers may read. There is nothing."""
_PLACES = [READABLE, READABLE, "file:///", "s3://letters", "https://169.254.169.254", "https://localhost", ""]
_WAYS = [
    *("", "/", "/missing", "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc/passwd", "?a#b", "\0"),
    *("/%252e%252e/etc/passwd", "/a\r\nHost: b", "@evil.example/a", "\\..\\etc", "é\u2028", "/" + "a/" * 4_000),
    *("/" + "x" * 8_000, "x" * 10_000),
]

_NUMBERS = ["NaN", "-Infinity", "1e999", "-1", "1" + "0" * 400, "-0.0001", "1e308", '"1"', "null x", "[]"]
_TIMES = [
    *"9999-12-31T23:59:59Z 9999-12-31T23:59:59-23:59 0001-01-01T00:00:00Z 0001-01-01T00:00:00+23:59 now".split(),
    *"2026-02-30T00:00:00Z 2030-01-01T24:00:00Z 2030-01-01T00:00:60Z 2030-01-01T00:00:00+99:99".split(),
    *("2030-01-01T00:00:00." + "9" * 5000 + "Z", "٢٠٣٠-01-01T00:00:00Z"),
]
_TIMEOUTS = ["0", "1", "-1", "9" * 13, "9" * 14, "1e3", "٣", " 5", "", "NaN"]
_PARTITIONS = [
    *(b"", b"0", b"2", b"99", b"-1", b"9" * 10, b"9" * 11),
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"),
]
_LONG_IDS = [b"x" * 16_384, b"x" * 16_385, b"y" * 200_000]
_SCHEMAS: list[Any] = [
    *({"$ref": to} for to in ("#", "#/properties/a", "#/nowhere", "http://127.0.0.1:9/x.json")),
    *({"$dynamicRef": "#x"}, {"type": "integr"}, {"enum": []}, {"minLength": -1}, {"multipleOf": 0}),
    *({"const": 10**300}, {"not": {"not": {"not": {}}}}, True),
]

Headers = list[tuple[bytes, bytes | None]]


@dataclass(frozen=True, kw_only=True)
class HostileRequest:
    """One record of a batch."""

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[bytes, bytes | None]] = ()

    @property
    def size(self) -> int:
        """Return the size in bytes of the parts that a producer decides."""
        headers = sum(len(name) + len(value or b"") for name, value in self.headers)
        return len(self.value or b"") + len(self.key or b"") + headers


class HostileRequestGenerator:
    """Generator of requests of one task, one family after the other.

    `names` are the reply topics that requests name.
    """

    def __init__(self, task: str, chance: random.Random, names: Iterable[bytes]) -> None:
        self._task, self._chance, self._names = task, chance, list(names)
        self._number = 0
        self._bodies = {"json": self._json, "options": self._options, "events": self._event_body}
        self._bodies |= {"references": self._reference}
        self._bodies |= dict.fromkeys(["headers", "addresses", "keys", "times", "idempotency"], self.valid)
        if task == "chat":
            self._bodies |= {"conversations": self._conversation}
        else:
            self._bodies |= {"schemas": self._schema, "schema bombs": self._schema_bomb}
        self.families = sorted(self._bodies)

    def make(self, family: str) -> HostileRequest:
        """Return a request of a family."""
        value, headers = self._bodies[family](), list[tuple[bytes, bytes | None]]()
        if family == "events":
            headers += self._event_headers()
        if family in ("headers", "json"):
            headers += self._odd_headers()
        if family == "addresses":
            headers += self._address()
        if family == "times":
            headers += self._deadline()
        if family == "idempotency":
            headers.append((b"idempotency_key", self._id()))
        if self._chance.random() < 0.5:
            headers.append((self._pick([b"correlation_id", b"kafka_correlationId"]), self._id()))
        return HostileRequest(value=value, key=self._key(family), headers=headers)

    # Bodies.

    def _body(self, prompt: str, **more: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": prompt}]} if self._task == "chat" else {"prompt": prompt}
        return body | more

    def valid(self) -> bytes:
        """Return the body of a request that a model may see."""
        self._number += 1
        text = self._pick(["x", "\0\n\x1b[2J", "é\u2028😀", "x " * 2000]) + str(self._number)
        mark = self._pick([b"", b"\xef\xbb\xbf"])
        return mark + json.dumps(self._body(text)).encode()

    def _json(self) -> bytes | None:
        good = json.dumps(self._body(FORBIDDEN))
        kind = self._chance.randrange(10)
        if kind == 0:
            return self._pick([None, b"", b" \n ", b"\xef\xbb\xbf", b"\0", b"null", b"7", b'""', b"[]", b"[[]]", b"{}"])
        if kind == 1:
            return self._chance.randbytes(self._chance.choice([1, 100, 10_000]))
        if kind == 2:
            return good[: self._chance.randrange(1, len(good))].encode()
        if kind == 3:
            return good.encode(self._pick(["utf-16", "utf-16-le", "utf-32"]))
        if kind == 4:
            return good.replace("not", self._pick(["\\ud800", "\\udfff\\ud800", "\\x", "\n"]), 1).encode()
        if kind == 5:
            changed = bytearray(good.encode())
            changed[self._chance.randrange(4)] = 0xFF
            return bytes(changed)
        if kind == 6:
            unknown = {self._text(): self._text() for _ in range(self._pick([1, 9]))}
            return json.dumps(self._body(FORBIDDEN, **unknown)).encode()
        if kind == 7:
            bracket = self._pick(["[", '{"a":', '{"prompt":', '{"messages":['])
            return _nested(bracket, self._pick([100, 10_000, 150_000]))
        if kind == 8:
            return _wrong_often(self._pick(["messages", "prompt", "stop", "options", "a"]), self._pick([1000, 250_000]))
        return _many_fields(self._pick([30, 3000, 60_000]))

    def _options(self) -> bytes:
        number = self._pick(_NUMBERS)
        name = self._pick(["temperature", "max_output_tokens", "seed", "wait", "model", "streem", "\\u0000", "stream"])
        good = self._pick([{"seed": 2**63 - 1}, {"wait": "999999d"}, {"wait": "1s"}, {"stream": True}, {"cache": True}])
        if self._chance.random() < 0.3:
            return json.dumps(self._body("ends of what is allowed", options=good)).encode()
        return json.dumps(self._body(FORBIDDEN, options={"x": 0})).replace('"x": 0', f'"{name}": {number}').encode()

    def _conversation(self) -> bytes:
        ids = ["one key", "one key", "well-behaved-1", "", "x" * 201, "\0", "\ud800", 7, None]
        return json.dumps(self._body("a turn " * 100, conversation_id=self._pick(ids))).encode()

    def _schema(self) -> bytes:
        pattern = self._pick(["(a+)+$", "[", "(?=a)", "\\p{L}{1000}", "(.*){2,5}x"])
        part = self._pick([*_SCHEMAS, {"pattern": pattern}])
        return json.dumps(self._body("a schema", json_schema={"type": "object", "properties": {"a": part}})).encode()

    def _schema_bomb(self) -> bytes:
        return json.dumps(self._body(FORBIDDEN, json_schema=_schema_bomb(self._chance.randrange(4)))).encode()

    def _event_body(self) -> bytes:
        data = self._body("an event")
        event: dict[str, Any] = {"specversion": "1.0", "id": self._text(), "data": data}
        kind = self._chance.randrange(8)
        if kind == 0:
            event["id"] = self._pick([None, 7, "", "\ud800", "x" * 100_000, "a\r\nb", ["x"]])
        elif kind == 1:
            event["data"] = self._pick([None, 7, FORBIDDEN, [data], {"x": FORBIDDEN}])
        elif kind == 2:
            event = {"id": "x", "data_base64": self._pick(["é", "====", "e30=", 7, None, "A" * 500_000])}
        elif kind == 3:
            event |= {"traceparent": self._pick([7, "x", "\n" * 100]), "tracestate": "a=b\r\nINFO forged"}
        elif kind == 4:
            return self._pick([b"", b"{", b"[]", b"\xff", b'{"id": "1", "data": ' + b"1" * 5000 + b"}"])
        elif kind == 5:
            return b'{"id": "1", "data": ' + _nested("[", self._pick([900, 100_000])) + b"}"
        return json.dumps(event).encode()

    def _reference(self) -> bytes:
        uri = self._pick(_PLACES) + self._pick([*_WAYS, self._text()])
        content = {"uri": self._pick([*[uri] * 6, None, 7, {"uri": uri}])}
        content |= self._pick([{}, {}, {}, {"text": FORBIDDEN}])
        if self._task == "chat":
            users = [{"role": "user", "content": content}] * self._pick([1, 1, 3_000])
            return json.dumps({"messages": [{"role": "system", "content": FORBIDDEN}, *users]}).encode()
        return json.dumps({"prompt": content, "system": FORBIDDEN}).encode()

    # Headers.

    def _event_headers(self) -> Headers:
        forms: list[Headers] = [
            [(b"content-type", b"application/cloudevents+json")],
            [(b"content-type", b"Application/CloudEvents+JSON ; charset=utf-8")],
            [(b"content-type", b"application/cloudevents+avro")],
            [(b"content-type", b"application/cloudevents-batch+json")],
            [(b"content-type", b"application/cloudevents+json" + b"x" * 100_000)],
            [(b"ce_id", self._id()), (b"ce_specversion", b"9"), (b"ce_tracestate", b"a=\nb")],
            [(b"ce_id", None), (b"content-type", None)],
        ]
        return self._pick(forms)

    def _odd_headers(self) -> Headers:
        trace = b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"
        forms: list[Headers] = [
            [(b"\xff\xfe", b"x"), (b"", b"")],
            [(b"h" * 50_000, b"v" * 50_000)],
            [(b"h%d" % number, b"") for number in range(2000)],
            [(b"correlation_id", b"%d" % number) for number in range(100)],
            [(b"traceparent", trace), (b"tracestate", b'a=b\r\n{"event": "ready", "level": "critical"}\n')],
            [(b"traceparent", trace + b"-\x1b[2J"), (b"tracestate", b"\xff" * 1000)],
            [(b"traceparent", trace), (b"tracestate", b"x=" + b"y" * 100_000)],
            [(b"carteiro_origin", b"others.requests/0/0"), (b"kafka_dlt-original-offset", b"x")],
            [(b"kafka_dlt-original-topic", self._pick(self._names)), (b"carteiro_redrives", b"9" * 5000)],
            [(b"__TypeId__", b"java.lang.Runtime"), (b"spring_json_header_types", b"{")],
            [(b"final", b"false"), (b"seq", b"-1"), (b"content-type", b"\xff\n")],
            [(name, None) for name in (b"correlation_id", b"idempotency_key", b"deadline", b"reply_to", b"timeout_ms")],
        ]
        return self._pick(forms)

    def _address(self) -> Headers:
        self._number += 1
        odd = [b"unknown-%d" % self._number, b"", b"..", b"a/b", b"\xff", b"n" * 249, b"n" * 250]
        name = self._pick([*self._names, *odd])
        where: Headers = [(self._pick([b"reply_to", b"kafka_replyTopic"]), name)]
        if self._chance.random() < 0.4:
            where.append((b"kafka_replyPartition", self._pick(_PARTITIONS)))
        return where

    def _deadline(self) -> Headers:
        headers: Headers = [(b"deadline", self._pick(_TIMES).encode()), (b"timeout_ms", self._pick(_TIMEOUTS).encode())]
        return self._pick([headers, headers[:1], headers[1:]])

    def _key(self, family: str) -> bytes | None:
        sizes = [16_384, 16_385, 300_000] if family == "keys" else [1, 16]
        keys = [None, b"", b"one key", b"\xff\0\n", self._chance.randbytes(self._pick(sizes))]
        return self._pick(keys)

    def _id(self) -> bytes:
        """Return an id of any size and content. Some ids belong to requests of others."""
        ids = [b"", b"\0", b"\xff" * 16, b"a\r\nb", self._chance.randbytes(16), *_LONG_IDS]
        return self._pick([*ids, *[b"good-%d" % self._chance.randrange(1000) for _ in range(8)]])

    def _text(self) -> str:
        text = self._pick(["x", "", "\n", "\0", "é" * 100, "x" * 10_000, "$ref", "options"])
        return f"{text}{self._chance.random()}"

    def _pick(self, choices: Sequence[Any]) -> Any:
        return self._chance.choice(choices)


@cache
def _nested(bracket: str, depth: int) -> bytes:
    return (bracket * depth).encode()


@cache
def _wrong_often(field: str, count: int) -> bytes:
    return json.dumps({field: [{}] * count, "text": FORBIDDEN}).encode()


@cache
def _many_fields(count: int) -> bytes:
    return json.dumps({f"f{number}": number for number in range(count)} | {"prompt": FORBIDDEN}).encode()


@cache
def _schema_bomb(kind: int) -> dict[str, Any]:
    """Return a small schema that takes much time or memory to compile or to follow."""
    if kind == 0:
        names = [f"d{number}" for number in range(30)]
        following = [*names[1:], None]
        twice = {
            name: {"properties": {each: {"$ref": f"#/$defs/{after}"} for each in "ab"}} if after else {}
            for name, after in zip(names, following, strict=True)
        }
        return {"type": "object", "$defs": twice, "properties": {"a": {"$ref": "#/$defs/d0"}}}
    if kind == 1:
        patterns = {f"{letter}{{1,900}}{letter}{{1,900}}$": {} for letter in "abcdefgh"}
        return {"type": "object", "patternProperties": {f"^({pattern})" * 40: {} for pattern in patterns}}
    if kind == 2:
        deep: dict[str, Any] = {"type": "string"}
        for _ in range(180):
            deep = {"type": "object", "properties": {"a": deep}}
        return deep
    return {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(20_000)}}
