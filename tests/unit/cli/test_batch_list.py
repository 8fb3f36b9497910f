"""The tasks, collections and enrichments whose batches are listed."""

from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.cli.batch_list import _waiting_topics
from carteiro.wire.topics import Topics


def test_batches_of_collections_and_enrichments_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.mktemp("files") / "articles.yaml"
    file.write_text("from: shop.articles\nwait: 24h\n")
    monkeypatch.setenv("CARTEIRO_COLLECTIONS", f"docs,{file}")
    served = ("chat", "index-docs", "index-articles", "index-news", "enrich-reviews")
    # Another deployment's prefix may begin with this one's.
    existing = {*map(Topics().batches, served), "llm.test.chat.batches", "llm.chat.requests", "shop.batches"}
    kafka: Any = SimpleNamespace(topics=Topics(), existing=existing)
    assert _waiting_topics(kafka) == {
        "chat": "llm.chat.deferred",
        "enrich-reviews": "llm.enrich-reviews.deferred",
        "index-articles": "shop.articles",
        "index-docs": "llm.index-docs.documents",
        "index-news": "llm.index-news.documents",
    }
