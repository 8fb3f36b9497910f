"""What `--json` is to every command: one JSON object a line on standard output, and all else on standard error."""

import json
import os
import sys
from collections.abc import Mapping
from typing import Annotated

import typer

AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line; what is for people goes to standard error.")
]


def print_json(value: Mapping[str, object]) -> None:
    """Print an object as a line of its own, at once. It is ASCII, which every locale can print, and every reader takes
    for one line. What nobody reads any more is dropped."""
    try:
        print(json.dumps(value), flush=True)
    except BrokenPipeError:
        # `| head` has had enough; a redrive that has begun has not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
