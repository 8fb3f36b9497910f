"""Base class of the models that Transformers runs."""

from collections.abc import Callable
from typing import Any, ClassVar

from torch import nn

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.checkpoints.context_length import max_context_tokens
from carteiro.models.local.checkpoints.tokenizer import disable_truncation_and_padding, token_counter
from carteiro.models.local.inference.in_process_model import SMALL_MODEL_PARAMETERS, InProcessModel
from carteiro.models.local.transformers.placement import CPU, Placement
from carteiro.models.local.transformers.weights import load_weights


class TransformersModel(InProcessModel):
    """The tokenizer and the model of a checkpoint, used on the model's thread.

    A subclass sets the Transformers class that reads the weights (`auto_class`) and prepares itself in `_after_load`,
    which runs on the thread.
    """

    auto_class: ClassVar[Any]

    def __init__(self, name: str, checkpoint: ModelCheckpoint, timeout: float, placement: Placement = CPU) -> None:
        super().__init__(name, checkpoint.location, timeout, machine=str(placement))
        self._checkpoint = checkpoint
        self._placement = placement
        self._tokenizer: Any = None
        self._token_counter: Callable[[str], int]
        self._model: Any = None

    def _load_weights(self) -> None:
        try:
            self._tokenizer, self._model = load_weights(self.name, self._checkpoint, self.auto_class, self._placement)
            self.context_tokens = _context_tokens(self._model, self._tokenizer)
            self.is_small = self._model.num_parameters() < SMALL_MODEL_PARAMETERS
            disable_truncation_and_padding(self._tokenizer)
            self._token_counter = token_counter(self._tokenizer)
            self._after_load()
        except ModelUnusable:
            raise
        except Exception as error:
            raise ModelUnusable(f"{self.name} is no model that this service can run: {error!r}") from error

    def _after_load(self) -> None:
        """Prepare what the subclass needs besides the weights."""

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text by the model's tokenizer, without special tokens."""
        return self._token_counter(text)


def _context_tokens(model: Any, tokenizer: Any) -> int:
    """Return the maximum number of tokens of one input, special tokens included.

    The limit is the size of the position table if the model reserves positions in it that no token uses: RoBERTa's
    positions begin after the padding's. Otherwise it is the limit of the configuration or of the tokenizer.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings") and module.padding_idx is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    return max_context_tokens(model.config.get_text_config(decoder=False), tokenizer)
