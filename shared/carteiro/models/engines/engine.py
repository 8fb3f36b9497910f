"""What the models of all engines have."""

from collections.abc import Iterator
from contextlib import contextmanager

from carteiro.models.failures import ModelFailure, Unsupported
from carteiro.models.in_process.model import InProcessModel
from carteiro.models.in_process.reasons import failed
from carteiro.models.interface import Prompt


class EngineModel(InProcessModel):
    """A model that an engine runs, whose errors mean nothing to anybody else."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn whatever goes wrong inside the `with` block into a `ModelFailure`."""
        try:
            with super()._told():
                yield
        except ModelFailure:
            raise
        except Exception as error:
            raise failed(self.name, error) from error

    def _refuse_schema(self, prompt: Prompt) -> None:
        """Raise `Unsupported` where a JSON Schema is to be followed."""
        if prompt.json_schema:
            raise Unsupported(f"{self.name} cannot follow a json_schema: take a local: or llamacpp: model")
