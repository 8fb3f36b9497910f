"""`carteiro index`: collections of documents."""

from pathlib import Path
from typing import Annotated

import typer

from carteiro.cli.json_lines import AsJson

app = typer.Typer(
    help="Collections of documents: add files, remove some, show the state, delete one.",
    no_args_is_help=True,
)

_Collection = Annotated[str, typer.Option("--collection", "-c", help="Name of the collection.", metavar="NAME")]


@app.command()
def add(
    files: Annotated[list[Path], typer.Argument(help="Files, and folders of files.", metavar="FILES...")],
    collection: _Collection,
    field: Annotated[
        list[str] | None, typer.Option(help="Field of the documents, for filters.", metavar="NAME=VALUE")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the index service has read them.")] = False,
    timeout: Annotated[
        float, typer.Option(help="Seconds that --wait waits for the next document to be read.", min=0)
    ] = 600,
    as_json: AsJson = False,
) -> None:
    """Send files to the topic of a collection: text, Markdown, HTML, PDF and .docx.

    The path of a file, as it is written here, is the key of its document: the same file again replaces it.

    carteiro index add handbook/ --collection docs --wait
    carteiro index add contract.pdf --collection docs --field tenant=north
    """
    from carteiro.cli.index.addition import add_files

    add_files(files, collection, field or [], waits=wait, patience=timeout, as_json=as_json)


@app.command()
def remove(
    keys: Annotated[
        list[str], typer.Argument(help="Keys of documents: of a file its path, as it was added.", metavar="KEYS...")
    ],
    collection: _Collection,
    as_json: AsJson = False,
) -> None:
    """Delete documents of a collection: send their keys without a value to its topic.

    carteiro index remove handbook/old.md --collection docs
    """
    from carteiro.cli.index.removal import remove_documents

    remove_documents(keys, collection, as_json=as_json)


@app.command()
def status(
    collection: Annotated[str | None, typer.Argument(help="Name of the collection; by default all.")] = None,
    errors: Annotated[int, typer.Option(help="Most errors of each collection to show.", min=0, max=1000)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the documents, chunks, lag and errors of collections.

    carteiro index status
    carteiro index status docs --errors 100
    """
    from carteiro.cli.index.status import show_status

    show_status(collection, errors, as_json=as_json)


@app.command()
def delete(
    collection: Annotated[str, typer.Argument(help="Name of the collection.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a collection from the store. Its topic stays; a worker that still fills it creates it again.

    carteiro index delete docs --yes
    """
    from carteiro.cli.index.deletion import delete_collection

    delete_collection(collection, ask=not yes, as_json=as_json)
