"""Files next to a model's weights, in a directory or on the hub."""

import json
from pathlib import Path
from typing import Any

from transformers.utils import cached_file


def read_json(location: str, file: str) -> Any:
    """Return the JSON in a file of the model at `location`, a directory or a hub name; None if there is no such file.

    Raise `ValueError` if it is not JSON.
    """
    path = Path(location, file)
    if not Path(location).is_dir():
        found = cached_file(location, file, _raise_exceptions_for_missing_entries=False)
        if found is None:
            return None
        path = Path(found)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
