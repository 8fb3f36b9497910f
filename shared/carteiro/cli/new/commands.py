"""The commands under `carteiro new`."""

import keyword
import re
from pathlib import Path
from typing import Annotated

import typer

from carteiro.cli.failing import EXIT_USAGE, fail
from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.new.listing import listed
from carteiro.cli.new.templates import FILES
from carteiro.schemas import REQUESTS

_LIST = Path("shared/carteiro/schemas/__init__.py")
_NAME = re.compile(r"[a-z][a-z0-9]{1,30}")
_TAKEN = ("waiting", "request", "reply")

app = typer.Typer(help="Start a task of your own: in the folder of a checkout.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Have Typer treat the one command as one of several."""


@app.command()
def task(
    name: Annotated[str, typer.Argument(help="A word in small letters, such as extract.")], as_json: AsJson = False
) -> None:
    """Write the start of a task: its schemas, its service, an example, and its place in the list of requests.

    carteiro new task extract
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        fail(f"{name!r} is no name for a task: take a word of small letters, which is no keyword of Python", EXIT_USAGE)
    if name in REQUESTS or name in _TAKEN:
        fail(f"there is something called {name!r} already", EXIT_USAGE)
    if not _LIST.is_file() or not Path("services").is_dir():
        fail("this is not the folder of a checkout: there has to be services/ and shared/", EXIT_USAGE)
    prefix = name.capitalize()
    files = {Path(path.replace("@name", name)): _filled(text, name, prefix) for path, text in FILES.items()}
    if there := [path for path in files if path.exists()]:
        fail(f"{there[0]} is there already", EXIT_USAGE)
    try:
        entered = listed(_LIST.read_text(encoding="utf-8"), name, prefix)
    except ValueError as error:
        fail(f"{_LIST}: {error}", EXIT_USAGE)
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    _LIST.write_text(entered, encoding="utf-8")
    if as_json:
        print_json({"task": name, "wrote": [str(path) for path in files], "changed": str(_LIST)})
        return
    for path in files:
        print(f"wrote    {path}")
    print(f"changed  {_LIST}")
    print(f"try      faststream run services.{name}.app:app")
    print(f"then     carteiro ask {name} --request examples/{name}.json")


def _filled(text: str, name: str, prefix: str) -> str:
    return text.replace("@name", name).replace("@Name", prefix)
