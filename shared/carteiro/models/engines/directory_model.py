"""A model in a directory as Transformers saves it, which another engine runs."""

from pathlib import Path
from typing import Any

from carteiro.models.engines.engine import EngineModel
from carteiro.models.in_process.tokenizer import counter, load_tokenizer


class DirectoryModel(EngineModel):
    """It has the tokenizer of Transformers. `config` is what the directory's `config.json` says."""

    def __init__(self, name: str, directory: Path, config: Any, timeout: float, threads: int) -> None:
        super().__init__(name, str(directory), timeout)
        self._directory, self._config, self._threads = directory, config, threads

    def _open(self) -> None:
        self._tokenizer = load_tokenizer(str(self._directory))
        self._count = counter(self._tokenizer)

    def count_tokens(self, text: str) -> int:
        """Tokens of the text by the model's own tokenizer, without special ones."""
        return self._count(text)
