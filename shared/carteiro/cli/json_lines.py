"""The option `--json` of every command: one JSON object a line on standard output, all other output on
standard error.
"""

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
    """Print an object as a line, and flush it.

    The line is ASCII, which every locale can print, and which every reader takes for one line. If the reader has closed
    the pipe, further output is discarded.
    """
    try:
        print(json.dumps(value), flush=True)
    except BrokenPipeError:
        # `| head` has closed the pipe, but a redrive that has begun must go on.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
