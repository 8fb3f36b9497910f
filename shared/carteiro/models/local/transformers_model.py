"""What every model has that Transformers runs: a checkpoint whose weights are read once."""

from collections.abc import Callable
from typing import Any, ClassVar

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.checkpoint import Checkpoint
from carteiro.models.in_process.model import SMALL, InProcessModel
from carteiro.models.in_process.tokenizer import counter, leave_whole
from carteiro.models.local.context import most_tokens
from carteiro.models.local.machine import CPU, Machine
from carteiro.models.local.weights import load_weights


class TransformersModel(InProcessModel):
    """A checkpoint's tokenizer and model, and what has to be done with them on their thread.

    A family says which class of Transformers reads it (`auto_class`) and sets itself up in `_ready`, on the thread.
    """

    auto_class: ClassVar[Any]

    def __init__(self, name: str, checkpoint: Checkpoint, timeout: float, machine: Machine = CPU) -> None:
        super().__init__(name, checkpoint.location, timeout, machine=str(machine))
        self._checkpoint = checkpoint
        self._machine = machine
        self._tokenizer: Any = None
        self._count: Callable[[str], int]
        self._model: Any = None

    def _open(self) -> None:
        try:
            self._tokenizer, self._model = load_weights(self.name, self._checkpoint, self.auto_class, self._machine)
            self.context_tokens = most_tokens(self._model, self._tokenizer)
            self.small = self._model.num_parameters() < SMALL
            leave_whole(self._tokenizer)
            self._count = counter(self._tokenizer)
            self._ready()
        except ModelUnusable:
            raise
        except Exception as error:
            raise ModelUnusable(f"{self.name} is no model that this service can run: {error!r}") from error

    def _ready(self) -> None:
        """Set up what the family needs besides."""

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        return self._count(text)
