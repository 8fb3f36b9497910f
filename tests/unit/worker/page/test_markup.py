import base64
import hashlib
import re

import pytest

from carteiro.worker.page.markup import HEADERS, Html, element, join, page, render_code_spans, section, table

EVIL = """<script>alert("x")</script>&'"""
ESCAPED = "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#x27;"


def test_text_and_attributes_are_escaped() -> None:
    assert element("p", EVIL, title=EVIL) == f'<p title="{ESCAPED}">{ESCAPED}</p>'
    assert join(EVIL, Html("<b>")) == f"{ESCAPED}<b>"


def test_element_inside_another_is_escaped_once() -> None:
    assert element("p", element("b", "<")) == "<p><b>&lt;</b></p>"


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"data_x_y": "1"}, '<p data-x-y="1"></p>'),
        ({"class_": "a", "for_": "b"}, '<p class="a" for="b"></p>'),
        ({"hidden": True}, "<p hidden></p>"),
        ({"hidden": False, "title": None}, "<p></p>"),
        ({"value": ""}, '<p value=""></p>'),
    ],
)
def test_attribute_has_its_name_in_html(attributes: dict[str, str | bool | None], expected: str) -> None:
    assert element("p", **attributes) == expected


def test_void_element_has_no_end() -> None:
    assert element("input", id="a") == '<input id="a">'


def test_code_between_backticks_is_marked() -> None:
    assert render_code_spans("write `a<b` here") == "write <code>a&lt;b</code> here"


def test_section_is_named_by_its_title() -> None:
    assert section("Errors", "none", identity="errors") == (
        '<section id="errors" aria-labelledby="errors-title"><h2 id="errors-title">Errors</h2>none</section>'
    )


def test_cell_of_a_table_names_its_column_and_numbers_are_marked() -> None:
    html = table("Lanes", ["topic", "group", "lag"], [["a", EVIL, "7"]], numbers=1)
    assert "<caption>Lanes</caption>" in html
    assert '<th scope="col">group</th><th scope="col" class="number">lag</th>' in html
    assert '<tr><th scope="row">a</th>' in html
    assert f'<td data-column="group">{ESCAPED}</td><td class="number" data-column="lag">7</td></tr>' in html


def test_page_marks_its_own_link_and_escapes_its_title() -> None:
    text = page(EVIL, Html("<main>x</main>"), current="asyncapi.html").decode()
    assert f"<title>{ESCAPED}" in text
    assert "<main>x</main>" in text
    assert re.findall(r'<a href="([^"]+)" aria-current="page">', text) == ["asyncapi.html"]
    assert "http-equiv" not in text
    assert "http-equiv" in page("x", Html(), current="./", refreshes=True).decode()


def test_policy_allows_only_the_style_and_the_script_of_the_page() -> None:
    text = page("x", Html(), current="./").decode()
    policy = HEADERS["content-security-policy"]
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
