"""The Embeddings API (https://platform.openai.com/docs/api-reference/embeddings/create), which most servers speak."""

import base64
import math
import sys
from array import array
from collections.abc import Sequence
from typing import Any

from carteiro.models.cloud.embedding_format import EmbeddingFormat
from carteiro.models.errors import InvalidOutput, Unsupported
from carteiro.models.prompt import InputType

PATH = "/embeddings"
_MAX_DIMENSIONS = 65_536
_FLOAT_BYTES = 4
_UNIT_ERROR = 1e-6
"""Difference from 1 up to which a vector's length counts as 1."""

Vector = Sequence[float]


def request(
    model: str,
    texts: Sequence[str],
    form: EmbeddingFormat,
    *,
    input_type: InputType | None = None,
    dimensions: int | None = None,
) -> dict[str, Any]:
    """Return the request's body in the form that the server takes."""
    body: dict[str, Any] = {"model": model, "input": list(texts)}
    if form.base64:
        body["encoding_format"] = "base64"
    if dimensions is not None:
        body["dimensions"] = dimensions
    if form.input_types and input_type is not None:
        body["input_type"] = form.input_types[input_type]
    return body


def read_vectors(answer: Any, texts: int, name: str, dimensions: int | None = None) -> list[Vector]:
    """Return the vectors in an answer's JSON, each of length 1, in the order of the texts.

    Accept vectors in any order and without an index, as numbers or as bytes in base64, of any length above 0. `texts`
    is the number of texts, and `dimensions` the size that was asked for.

    Raise `InvalidOutput` if a vector is missing, is not finite or is zero, and `Unsupported` if the vectors have
    another size than `dimensions`. `name` is the model's name in the message.
    """
    items = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise InvalidOutput(f"{name} answered without vectors")
    if len(items) != texts:
        raise InvalidOutput(f"{name} gave {len(items):,} vectors for {texts:,} texts")
    vectors = [_unit_vector(_read_numbers(item.get("embedding"), name), name) for item in _in_order(items, name)]
    sizes = {len(vector) for vector in vectors}
    if len(sizes) > 1:
        raise InvalidOutput(f"{name} gave vectors of different sizes")
    if dimensions is not None and sizes - {dimensions}:
        raise Unsupported(
            f"{name} gave vectors of {sizes.pop():,} dimensions, not of {dimensions:,}: leave out dimensions"
        )
    return vectors


def _in_order(items: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the items by their index. An item without an index has that of its place: Google leaves out a 0."""
    indexes = [item.get("index") for item in items]
    known = [place if index is None else index for place, index in enumerate(indexes)]
    if len(items) > 1 and all(index == indexes[0] for index in indexes):
        return items  # The same index everywhere says nothing.
    if not all(isinstance(index, int) for index in known) or sorted(known) != list(range(len(items))):
        raise InvalidOutput(f"{name} gave vectors whose indexes do not fit the texts")
    return [item for _, item in sorted(zip(known, items, strict=True), key=lambda pair: pair[0])]


def _read_numbers(vector: Any, name: str) -> Vector:
    if isinstance(vector, str):
        try:
            numbers = array("f", base64.b64decode(vector, validate=True))
        except ValueError:
            raise InvalidOutput(f"{name} gave a vector that is not base64 of numbers of {_FLOAT_BYTES} bytes") from None
        if sys.byteorder == "big":
            numbers.byteswap()
        vector = numbers.tolist()
    if not isinstance(vector, list) or not 0 < len(vector) <= _MAX_DIMENSIONS:
        raise InvalidOutput(f"{name} gave a vector that is no list of numbers, or has too many")
    if not all(type(number) in (float, int) for number in vector):
        raise InvalidOutput(f"{name} gave a vector that holds something else than numbers")
    return vector


def _unit_vector(vector: Vector, name: str) -> Vector:
    try:
        length = math.hypot(*vector)
    except OverflowError:
        length = math.inf
    if not math.isfinite(length) or length == 0:
        raise InvalidOutput(f"{name} gave a vector that is {'zero' if length == 0 else 'not finite'}")
    if abs(length - 1) <= _UNIT_ERROR:
        return vector
    return [number / length for number in vector]
