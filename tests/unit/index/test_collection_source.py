"""Collections in the settings: names, and files."""

from pathlib import Path

import pytest

from carteiro.index.collection_source import CollectionFileInvalid, load_collections, served_topics
from carteiro.wire.topics import Topics

FILE = """\
collection: articles
from: shop.articles
document: "{text: body, title: name, fields: {tenant: shop}}"
"""


def load(tmp_path: Path, text: str, name: str = "Shop_Articles.yaml"):
    path = tmp_path / name
    path.write_text(text)
    (source,) = load_collections(str(path), Topics())
    return source


@pytest.mark.parametrize("named", [None, "", " , "])
def test_no_name_is_no_collection(named: str | None) -> None:
    assert load_collections(named, Topics()) == []


def test_name_is_a_topic_of_documents() -> None:
    (docs, faq) = load_collections("docs, faq_2", Topics("acme"))
    assert (docs.collection, docs.source, docs.served_name) == ("docs", "acme.index-docs.documents", "index-docs")
    assert faq.document_of({"text": "a"}) == {"text": "a"}


def test_file_maps_events_to_documents(tmp_path: Path) -> None:
    source = load(tmp_path, FILE)
    assert (source.collection, source.source) == ("articles", "shop.articles")
    event = {"body": "Text.", "name": "One", "shop": "north", "price": 3}
    assert source.document_of(event) == {"text": "Text.", "title": "One", "fields": {"tenant": "north"}}


def test_collection_has_the_name_of_its_file(tmp_path: Path) -> None:
    assert load(tmp_path, "from: shop.articles\n").collection == "shop-articles"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collection: a\n", "from: is missing"),
        ("from: a b\n", "line 1: from: is no name of a topic"),
        ("from: a\ncollection: A\n", "line 2: collection: the name of a collection has"),
        ("from: a\ndocument: '{text'\n", "line 2: document: '{text' ends too early"),
        ("from: a\nsteps: []\n", "line 2: steps: is not a field of this file"),
        ("from: a\nwait: soon\n", "line 2: wait: "),
        ("- a\n", "is no collection: it has from"),
    ],
)
def test_wrong_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CollectionFileInvalid) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)
    assert "Shop_Articles.yaml" in str(caught.value)


@pytest.mark.parametrize("named", ["Docs", "a b", "docs,docs"])
def test_wrong_name_says_what_a_name_is(named: str) -> None:
    with pytest.raises(CollectionFileInvalid, match="name of a collection|two sources"):
        load_collections(named, Topics())


def test_topics_of_collections_are_found_without_the_files_that_only_workers_have(tmp_path: Path) -> None:
    (tmp_path / "articles.yaml").write_text("from: shop.articles")
    assert served_topics(f"docs, {tmp_path}/articles.yaml, {tmp_path}/missing.yaml", Topics()) == {
        "index-docs": "llm.index-docs.documents",
        "index-articles": "shop.articles",
    }
