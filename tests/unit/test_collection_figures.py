"""The benchmark of collections: its documents and its table of indexing."""

from itertools import islice

import pytest

from benchmarks.collections.documents import generate
from tests.quality import corpus

ORIGINALS = len(corpus.read_documents())


def test_copies_of_the_corpus_have_other_keys_and_words():
    documents = list(islice(generate(), 2 * ORIGINALS))
    assert len({each.key for each in documents}) == len(documents)
    first, copy = documents[0], documents[ORIGINALS]
    assert first.title == copy.title
    same = [one == other for one, other in zip(first.text.split(), copy.text.split(), strict=True)]
    assert 0.5 < sum(same) / len(same) < 0.95
    assert documents == list(islice(generate(), 2 * ORIGINALS))


def test_service_is_compared_with_the_model_of_the_same_round():
    pytest.importorskip("matplotlib", reason="comes with the group bench")
    pytest.importorskip("psutil", reason="comes with the group bench")
    from benchmarks.collections.embedder import Work
    from benchmarks.collections.report import index_table

    rounds = [(Work(10, 1, 2), Work(10, 2, 2.5)), (Work(10, 4, 2), Work(10, 4, 4))]
    assert index_table({"SQLite": rounds}).rows == [["SQLite", "20", "6.2", "3.8", "0.50, 1.00", "0.80, 0.50"]]
