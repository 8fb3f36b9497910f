"""HTML that is escaped by default, and the layout of every page."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from string import Template

_VOID = frozenset({"input"})
"""Elements without content."""


class Html(str):
    """HTML text. Any other string is escaped when it becomes a part of it."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str | bool | None) -> Html:
    """Return an element.

    An attribute's name is written with `-` for `_`, and with a `_` at its end if Python has the word for itself. True
    stands for an attribute without a value; False and None leave it out.
    """
    written = [name]
    for given, value in attributes.items():
        if value is not None and value is not False:
            key = given.rstrip("_").replace("_", "-")
            written.append(key if value is True else f'{key}="{escape(value)}"')
    opening = Html(f"<{' '.join(written)}>")
    return opening if name in _VOID else Html(f"{opening}{join(*content)}</{name}>")


def join(*content: str) -> Html:
    """Return the joined strings. Strings that are not `Html` are escaped."""
    return Html("".join(each if isinstance(each, Html) else escape(each) for each in content))


def render_code_spans(text: str) -> Html:
    """Return text with its `code` marked."""
    return join(*(element("code", each) if index % 2 else each for index, each in enumerate(text.split("`"))))


def section(title: str, *content: str, identity: str) -> Html:
    """Return a titled part of a page, which screen readers list by its title."""
    heading = element("h2", title, id=f"{identity}-title")
    return element("section", heading, *content, id=identity, aria_labelledby=f"{identity}-title")


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> Html:
    """Return a table. The last `numbers` columns are numbers. The first cell of a row is its heading.

    A narrow screen shows each row as a list of its cells with their columns' names.
    """
    first_number = len(columns) - numbers

    def kind(index: int) -> str | None:
        return "number" if index >= first_number else None

    head = [element("th", each, scope="col", class_=kind(index)) for index, each in enumerate(columns)]
    body = []
    for row in rows:
        cells = [element("th", row[0], scope="row")]
        cells += [
            element("td", cell, class_=kind(index), data_column=columns[index])
            for index, cell in enumerate(row[1:], start=1)
        ]
        body.append(element("tr", *cells))
    parts = element("caption", caption), element("thead", element("tr", *head)), element("tbody", *body)
    return element("div", element("table", *parts), class_="table")


def _read_resource(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_LAYOUT, _STYLE, _SCRIPT = Template(_read_resource("page.html")), _read_resource("page.css"), _read_resource("page.js")

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; connect-src 'self'; img-src data:; "
    f"style-src 'sha256-{_hash(_STYLE)}'; script-src 'sha256-{_hash(_SCRIPT)}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""Headers of every response. A page loads nothing, runs its own script only, and is shown in no frame."""


def page(title: str, main: Html, *, current: str, refreshes: bool = False) -> bytes:
    """Return a whole page. `current` is the link of the navigation that leads to it.

    A page that `refreshes` is loaded again every ten seconds in a browser without JavaScript.
    """
    links = {"./": "State", "asyncapi.html": "API"}
    navigation = [
        element("a", text, href=link, aria_current="page" if link == current else None) for link, text in links.items()
    ]
    reload = Html('<noscript><meta http-equiv="refresh" content="10"></noscript>') if refreshes else Html()
    return _LAYOUT.substitute(
        title=escape(title),
        reload=reload,
        style=_STYLE,
        script=_SCRIPT,
        navigation=join(*navigation),
        main=main,
    ).encode()
