"""Sizes of an embedding model's vectors: a Matryoshka model has shorter ones too."""

from dataclasses import dataclass
from typing import Any

from carteiro.models.errors import Unsupported
from carteiro.models.local.transformers.model_files import read_json


@dataclass(frozen=True, slots=True)
class VectorSizes:
    """Sizes of vectors, in dimensions: `full` as the model computes them, `default` as it gives them.

    A Matryoshka model was trained so that the first dimensions make a vector too: of any of `choices`, or of any size
    if `choices` is empty.
    """

    full: int
    default: int
    is_matryoshka: bool = False
    choices: frozenset[int] = frozenset()

    def choose(self, name: str, dimensions: int | None) -> int:
        """Return the size for a request of `dimensions`; `name` is the model's name in failures.

        Raise `Unsupported` if the model has no vectors of that size.
        """
        if dimensions is None or dimensions in (self.default, self.full):
            return dimensions or self.default
        if not self.is_matryoshka:
            raise Unsupported(f"{name} has only vectors of {self.default} dimensions: leave out dimensions")
        if self.choices and dimensions not in self.choices:
            known = ", ".join(map(str, sorted(self.choices)))
            raise Unsupported(f"{name} has no vectors of {dimensions} dimensions: choose one of {known}")
        if dimensions > self.full:
            raise Unsupported(f"{name} has vectors of at most {self.full} dimensions")
        return dimensions


def read_sizes(location: str, config: Any) -> VectorSizes:
    """Return the sizes of the vectors of the model at `location`, a directory or a hub name.

    `config` is its configuration. `is_matryoshka` and `matryoshka_dimensions` in it say that shorter vectors are good,
    as for vLLM (https://docs.vllm.ai/en/stable/models/pooling_models.html).
    """
    full = int(config.hidden_size)
    stored = read_json(location, "config_sentence_transformers.json")
    cut = stored.get("truncate_dim") if isinstance(stored, dict) else None
    listed = getattr(config, "matryoshka_dimensions", None)
    choices = frozenset(each for each in listed if isinstance(each, int)) if isinstance(listed, list) else frozenset()
    matryoshka = bool(choices) or bool(getattr(config, "is_matryoshka", False))
    return VectorSizes(full, cut if isinstance(cut, int) and 0 < cut <= full else full, matryoshka, choices)
