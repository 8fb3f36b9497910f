"""Requests for vectors, and the reading of their answers, in all forms that servers send."""

import base64
import math
from array import array
from typing import Any

import pytest

from carteiro.models.cloud.embedding_format import QUERY_OR_PASSAGE, EmbeddingFormat
from carteiro.models.cloud.embeddings import read_vectors, request
from carteiro.models.errors import InvalidOutput, Unsupported


def item(vector: Any, index: Any = None) -> dict[str, Any]:
    return {"object": "embedding", "embedding": vector} | ({} if index is None else {"index": index})


def read(*items: Any, texts: int = 2, dimensions: int | None = None) -> list[list[float]]:
    return [list(each) for each in read_vectors({"data": list(items)}, texts, "openai:x", dimensions)]


def in_base64(*numbers: float) -> str:
    return base64.b64encode(array("f", numbers).tobytes()).decode()


X, Y = [1.0, 0.0], [0.0, 1.0]


def test_request_has_only_what_was_asked_for():
    assert request("m", ["a"], EmbeddingFormat(), input_type="query") == {"model": "m", "input": ["a"]}
    form = EmbeddingFormat(base64=True, input_types=QUERY_OR_PASSAGE)
    assert request("m", ["a"], form, input_type="document", dimensions=3) == {
        "model": "m",
        "input": ["a"],
        "encoding_format": "base64",
        "dimensions": 3,
        "input_type": "passage",
    }


@pytest.mark.parametrize(
    "items",
    [
        (item(X, 0), item(Y, 1)),
        (item(Y, 1), item(X, 0)),
        (item(X), item(Y)),
        (item(X), item(Y, 1)),
        (item(X, 0), item(Y, 0)),
        (item(in_base64(*X), 0), item(Y, 1)),
        (item([7, 0], 0), item([0, 1e-30], 1)),
        (item([1e200, 0], 0), item([0.0, 3], 1)),
    ],
    ids=["in order", "out of order", "no index", "no index 0", "same index", "base64", "not of length 1", "large"],
)
def test_vectors_are_of_length_1_in_the_order_of_the_texts(items):
    assert read(*items) == [X, Y]


def test_vector_of_length_1_is_not_changed():
    vector = [0.6, math.sqrt(1 - 0.36) + 1e-8]
    assert read(item(vector), texts=1) == [vector]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ((item(X),), "gave 1 vectors for 2 texts"),
        ((item(X), item(Y), item(Y)), "gave 3 vectors for 2 texts"),
        ((item(X, 0), item(Y, 2)), "indexes do not fit"),
        ((item(X, -1), item(Y, 0)), "indexes do not fit"),
        ((item(X, "a"), item(Y, "b")), "indexes do not fit"),
        ((item(X, [0]), item(Y, {})), "indexes do not fit"),
        ((item(X, 0), item([0.0, 0.0], 1)), "is zero"),
        ((item(X, 0), item([math.nan, 0.0], 1)), "not finite"),
        ((item(X, 0), item([0.0, math.inf], 1)), "not finite"),
        ((item(X, 0), item([10**400, 1], 1)), "not finite"),
        ((item(X, 0), item(in_base64(math.nan, 1), 1)), "not finite"),
        ((item(X, 0), item([1.0], 1)), "different sizes"),
        ((item(X, 0), item([], 1)), "no list of numbers"),
        ((item(X, 0), item(None, 1)), "no list of numbers"),
        ((item(X, 0), item([0.0] * 65_537, 1)), "no list of numbers, or has too many"),
        ((item(X, 0), item(["1", "2"], 1)), "something else than numbers"),
        ((item(X, 0), item([True, False], 1)), "something else than numbers"),
        ((item(X, 0), item([[1.0, 0.0]], 1)), "something else than numbers"),
        ((item(X, 0), item("not base64", 1)), "not base64"),
        ((item(X, 0), item("AAAAAAA=", 1)), "not base64"),
        ((item(X, 0), "a text"), "without vectors"),
    ],
)
def test_vectors_that_cannot_be_used_are_rejected(items, message):
    with pytest.raises(InvalidOutput, match=f"^openai:x .*{message}"):
        read(*items)


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"data": None}, {"data": {}}, {"embeddings": [[1.0]]}])
def test_answer_without_vectors_is_rejected(answer):
    with pytest.raises(InvalidOutput, match="without vectors"):
        read_vectors(answer, 1, "openai:x")


def test_size_that_the_server_ignored_is_rejected():
    assert read(item(X), texts=1, dimensions=2) == [X]
    with pytest.raises(Unsupported, match="openai:x gave vectors of 2 dimensions, not of 3"):
        read(item(X), texts=1, dimensions=3)
