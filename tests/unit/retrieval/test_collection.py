import dataclasses

import pytest

from carteiro.retrieval.collection import EmbeddingSettings, Generation, check_collection_name
from carteiro.retrieval.errors import DocumentStoreInvalid

SETTINGS = EmbeddingSettings("local:minilm", 384, 256, 38)


def test_id_of_a_generation_differs_by_each_setting():
    changes = [{}, {"model": "openai:x"}, {"dimensions": 256}, {"max_tokens": 128}, {"overlap_tokens": 0}]
    ids = {Generation("handbook", dataclasses.replace(SETTINGS, **change)).id for change in changes}
    assert len(ids) == len(changes)


@pytest.mark.parametrize("dimensions", [0, -1, 4097])
def test_vectors_that_no_store_keeps_are_refused(dimensions):
    with pytest.raises(DocumentStoreInvalid, match="local:minilm"):
        dataclasses.replace(SETTINGS, dimensions=dimensions)


@pytest.mark.parametrize("name", ["", "A", "-a", "a b", "a" * 64, "a\n", "é", 'a"; drop table x'])
def test_collection_of_a_wrong_name_is_refused(name):
    with pytest.raises(DocumentStoreInvalid, match="name of a collection"):
        check_collection_name(name)


def test_collection_of_a_right_name_is_accepted():
    check_collection_name("hand-book_2")
