"""The AsyncAPI document as a page to read."""

import json
from collections.abc import Collection
from typing import Any

from carteiro.worker.page.markup import Html, element, join, page, render_code_spans, section, table
from carteiro.worker.page.request_fields import non_null_schema

_MAX_DEPTH = 4
"""Levels of objects within objects that are shown."""


def asyncapi_page(document: dict[str, Any]) -> bytes:
    """Return the page of an AsyncAPI 3 document, as `carteiro.worker.asyncapi` makes it."""
    return page("API – Carteiro", _DocumentRenderer(document).main(), current="asyncapi.html")


class _DocumentRenderer:
    """Renderer of a document, whose parts refer to each other."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def main(self) -> Html:
        info, operations = self._document["info"], self._document["operations"]
        about, _, listed = info["description"].partition("\n\n")
        links = [element("li", element("a", task, href=f"#{task}")) for task in operations]
        links += [element("li", element("a", text, href=f"#{to}")) for to, text in _SECTION_TITLES.items()]
        raw = element("a", "the AsyncAPI document", href="asyncapi")
        first, *_ = operations.values()
        request, reply = first["messages"][0], first["reply"]["messages"][0]
        return join(
            element("h1", f"{info['title']} {info['version']}"),
            element("p", about),
            element("p", "Made from ", raw, f" (AsyncAPI {self._document['asyncapi']}, JSON), which generators read."),
            element("nav", element("ul", *links), aria_label="On this page", class_="contents"),
            *(self._operation(task, operation) for task, operation in operations.items()),
            self._common("options", request, "options.", "The field `options` of every request; each is optional."),
            self._common("replies", reply, "", "Fields that the reply of every task has besides `result`."),
            section(_SECTION_TITLES["request-headers"], self._headers(request), identity="request-headers"),
            section(_SECTION_TITLES["reply-headers"], self._headers(reply), identity="reply-headers"),
            self._stored(first),
            self._errors(listed, first),
        )

    def _operation(self, task: str, operation: dict[str, Any]) -> Html:
        channel, replies = self._find(operation["channel"]), self._find(operation["reply"]["channel"])
        request, reply = self._find(operation["messages"][0]), self._find(operation["reply"]["messages"][0])
        channels = {"Requests to": channel["address"], "Replies on": replies["address"]}
        pairs = [
            element("div", element("dt", name), element("dd", element("code", at))) for name, at in channels.items()
        ]

        def same(part: str) -> Html:
            link = element("a", _SECTION_TITLES[part], href=f"#{part}")
            return join(link, " are the same for every task." if part == "options" else " has the other fields.")

        return section(
            task,
            element("p", operation["summary"]),
            element("dl", *pairs, class_="facts"),
            element("h3", "Request"),
            self._fields(same("options"), request["payload"], marks_required=True, skipped={"options"}),
            self._examples(request, open_=True),
            element("h3", "Reply"),
            self._fields(same("replies"), reply["payload"], only="result"),
            self._examples(reply),
            identity=task,
        )

    def _headers(self, message: dict[str, Any]) -> Html:
        described = self._find(message)["headers"]["properties"]
        rows = [
            [element("code", name), render_code_spans(each.get("description", ""))] for name, each in described.items()
        ]
        return table("Each header is optional.", ["Header", "Meaning"], rows)

    def _stored(self, operation: dict[str, Any]) -> Html:
        message = self._find(operation["reply"]["messages"][-2])
        caption = "Fields of the reply in place of result."
        return section(
            _SECTION_TITLES["stored"],
            element("p", message["summary"]),
            self._fields(caption, message["payload"], only="stored_result"),
            self._examples(message),
            identity="stored",
        )

    def _errors(self, listed: str, operation: dict[str, Any]) -> Html:
        rows = []
        for line in listed.splitlines():
            code, _, meaning = line.removeprefix("- ").partition(": ")
            rows.append([element("code", code.strip("`")), render_code_spans(meaning)])
        message = self._find(operation["reply"]["messages"][-1])
        return section(
            _SECTION_TITLES["errors"],
            element("p", message["summary"]),
            self._fields("Fields of an error reply.", message["payload"]),
            self._examples(message),
            table("Codes that an error reply can have.", ["Code", "Meaning"], rows),
            identity="errors",
        )

    def _common(self, identity: str, message: dict[str, Any], prefix: str, caption: str) -> Html:
        payload = self._find(self._find(message)["payload"])
        if prefix:
            payload = self._find(payload["properties"][prefix.rstrip(".")])
        rows = self._rows(payload, prefix, skipped={"result"})
        return section(_SECTION_TITLES[identity], table(caption.replace("`", ""), _COLUMNS, rows), identity=identity)

    def _fields(
        self,
        caption: str,
        payload: dict[str, Any],
        *,
        only: str | None = None,
        skipped: Collection[str] = (),
        marks_required: bool = False,
    ) -> Html:
        if only is not None:
            skipped = self._find(payload)["properties"].keys() - {only}
        return table(caption, _COLUMNS, self._rows(payload, skipped=skipped, marks_required=marks_required))

    def _rows(
        self,
        schema: dict[str, Any],
        path: str = "",
        depth: int = 0,
        *,
        skipped: Collection[str] = (),
        marks_required: bool = False,
    ) -> list[list[str]]:
        schema = self._find(schema)
        rows: list[list[str]] = []
        for name, given in schema.get("properties", {}).items():
            if name in skipped:
                continue
            field = self._find(non_null_schema(given))
            is_marked = marks_required and name in schema.get("required", [])
            needed = [element("span", "required", class_="mark")] if is_marked else []
            label = join(element("code", f"{path}{name}"), *needed)
            rows.append(
                [label, self._type(given), render_code_spans(given.get("description") or field.get("description", ""))]
            )
            inner = self._find(field["items"]) if field.get("type") == "array" else field
            if "properties" in inner and depth < _MAX_DEPTH:
                mark = "[]." if field.get("type") == "array" else "."
                rows += self._rows(inner, f"{path}{name}{mark}", depth + 1, marks_required=marks_required)
        return rows

    def _type(self, schema: dict[str, Any]) -> str:
        schema = self._find(schema)
        if "anyOf" in schema:
            kinds = [self._type(each) for each in schema["anyOf"]]
            return " or ".join(dict.fromkeys(kinds))
        if "const" in schema:
            return json.dumps(schema["const"])
        if "enum" in schema:
            return " | ".join(json.dumps(each) for each in schema["enum"])
        if schema.get("type") == "array":
            return f"array of {self._type(schema.get('items', {}))}"
        return str(schema.get("type", "any"))

    def _examples(self, message: dict[str, Any], *, open_: bool = False) -> Html:
        found = [
            element("pre", json.dumps(each["payload"], indent=2, ensure_ascii=False), tabindex="0")
            for each in message["examples"]
        ]
        name = "Example" if len(found) == 1 else f"{len(found)} examples"
        return element("details", element("summary", name), *found, open=open_) if found else Html()

    def _find(self, part: dict[str, Any]) -> dict[str, Any]:
        """Return what a part refers to, or the part."""
        while (path := part.get("$ref")) is not None:
            part = self._document
            for name in path.removeprefix("#/").split("/"):
                part = part[name]
        return part


_COLUMNS = ("Field", "Type", "Meaning")
_SECTION_TITLES = {
    "options": "Options",
    "replies": "Every reply",
    "request-headers": "Headers of requests",
    "reply-headers": "Headers of replies",
    "stored": "Results in a bucket",
    "errors": "Errors",
}
