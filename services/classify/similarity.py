"""Margins of labels by an embedding model: the text is nearest to the label that it is about."""

from collections.abc import Sequence

from carteiro.models.interface import EmbeddingModel
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.schemas import Usage
from carteiro.schemas.classify import LabelDescription
from carteiro.text.vectors import Vector, cosine, mean_direction

_UNKNOWN_SIMILARITY = 0.16
"""Similarity at which it is not known if the label fits, for the packaged model."""
_SIMILARITY_SCALE = 0.05
"""Difference of similarities that counts as one unit of the margin. Both were chosen by the tuned texts of
`tests/quality/sentences/classify.jsonl`.
"""
_MAX_CACHED = 512


class LabelVectors:
    """Cache of the vectors of labels: callers send the same labels with each text."""

    def __init__(self) -> None:
        self._cache: dict[tuple[str, str], Vector] = {}

    async def find(self, model: EmbeddingModel, labels: Sequence[LabelDescription]) -> tuple[list[Vector], Usage]:
        """Return the vector of each label: the mean of those of its description and its examples."""
        keys = [(model.name, label.model_dump_json()) for label in labels]
        known = {key: self._cache[key] for key in keys if key in self._cache}
        missing = {key: label for key, label in zip(keys, labels, strict=True) if key not in known}
        texts = [[describe(label), *label.examples] for label in missing.values()]
        usage = Usage()
        if texts:
            embedded = await embed_long_texts(model, [text for each in texts for text in each])
            usage, vectors = embedded.usage, iter(embedded.vectors)
            for key, each in zip(missing, texts, strict=True):
                known[key] = mean_direction([next(vectors) for _ in each])
                self._store(key, known[key])
        return [known[key] for key in keys], usage

    def _store(self, key: tuple[str, str], vector: Vector) -> None:
        if len(self._cache) >= _MAX_CACHED:  # labels come from callers, so the cache is bounded
            self._cache.pop(next(iter(self._cache)))
        self._cache[key] = vector


def describe(label: LabelDescription) -> str:
    """Return the statement that a text has the label."""
    return f"This text is about {label.name}." + (f" {label.description}" if label.description else "")


async def similarity_margins(
    model: EmbeddingModel, label_vectors: LabelVectors, text: str, labels: Sequence[LabelDescription]
) -> tuple[list[float], Usage]:
    """Return the margin of each label, and the usage of the text and of labels that are not known yet."""
    vectors, usage = await label_vectors.find(model, labels)
    embedded = await embed_long_texts(model, [text])
    similarities = [cosine(embedded.vectors[0], vector) for vector in vectors]
    margins = [(similarity - _UNKNOWN_SIMILARITY) / _SIMILARITY_SCALE for similarity in similarities]
    return margins, usage + embedded.usage
