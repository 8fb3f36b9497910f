import pytest

from carteiro.retrieval.readers.html import read_html, text_of_html

PAGE = """<!DOCTYPE html><html><head><title> The
 guide </title><style>p {}</style><script>alert("<p>no</p>")</script></head>
<body><nav><a href="/">Home</a></nav>
<h1>Guide</h1><p>First <b>bold</b>,
  wrapped&nbsp;line &amp; more.<br>After a break.</p>
<h2 class="x">List</h2><ul><li>one<li>two <ul><li>inner</li></ul></li></ul>
<table><tr><th>Name</th><th>Days</th></tr><tr><td>Leave</td><td>25</td></tr></table>
<pre>a  = 1
  b</pre><div hidden>never</div><p>Last<img hidden src=x> one.</p><template><p>no</p></template></body></html>"""


def test_visible_text_is_read_with_headings_and_lists():
    read = text_of_html(PAGE)
    assert read.title == "The guide"
    assert read.text == (
        "# Guide\n\nFirst bold, wrapped line & more.\nAfter a break.\n\n## List\n\n- one\n- two\n\n- inner\n\n"
        "Name | Days\nLeave | 25\n\na  = 1\n  b\n\nLast one."
    )


@pytest.mark.parametrize(
    ("data", "charset"),
    [
        ("<p>é</p>".encode(), ""),
        ('<meta charset="latin-1"><p>é</p>'.encode("latin-1"), ""),
        ("<p>é</p>".encode("latin-1"), "iso-8859-1"),
        ("<p>é</p>".encode("cp1252"), ""),
        ('<meta http-equiv="Content-Type" content="text/html; charset=nonsense"><p>é</p>'.encode("cp1252"), ""),
    ],
)
def test_charset_is_found(data, charset):
    assert read_html(data, charset).text == "é"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("", ""),
        ("just text", "just text"),
        ("<html><head><title>t</title><body><p>no end of the head", "no end of the head"),
        ("<p hidden>a<p>b", "a\n\nb"),
        ("<p>open <div>in</p></div></section> after", "open\n\nin\n\nafter"),
        ("<script>never closed", ""),
        ("<div hidden>a<div>b</div>c</div>d", "d"),
        ("a<p></p><p> </p>\n<p>b", "a\n\nb"),
        ("&#0;&#xD800;&bogus;x", "\ufffd\ufffd&bogus;x"),
        ("a &lt;script&gt; b", "a <script> b"),
        ("<![CDATA[x]]><?php y ?><!-- z -->w", "w"),
    ],
)
def test_broken_markup_is_read(markup, text):
    assert text_of_html(markup).text == text


def test_deep_markup_is_read():
    assert text_of_html("<div><b>" * 50_000 + "deep").text == "deep"
