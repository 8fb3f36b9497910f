"""Base classes of the models of all engines except PyTorch."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from carteiro.models.errors import ModelError
from carteiro.models.local.checkpoints.tokenizer import load_tokenizer, token_counter
from carteiro.models.local.inference.error_messages import engine_error
from carteiro.models.local.inference.in_process_model import InProcessModel


class EngineModel(InProcessModel):
    """A model that an engine runs. Errors of the engine become a `ModelError`."""

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        """Raise a `ModelError` for every error inside the `with` block."""
        try:
            with super()._translate_errors():
                yield
        except ModelError:
            raise
        except Exception as error:
            raise engine_error(self.name, error) from error


class DirectoryModel(EngineModel):
    """A directory in the format of Transformers, with its tokenizer. `config` is the content of `config.json`."""

    def __init__(self, name: str, directory: Path, config: Any, timeout: float, threads: int) -> None:
        super().__init__(name, str(directory), timeout)
        self._directory, self._config, self._threads = directory, config, threads

    def _load_weights(self) -> None:
        self._tokenizer = load_tokenizer(str(self._directory))
        self._token_counter = token_counter(self._tokenizer)

    def count_tokens(self, text: str) -> int:
        """Return the number of tokens of the text by the model's tokenizer, without special tokens."""
        return self._token_counter(text)
