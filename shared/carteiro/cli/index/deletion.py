"""`carteiro index delete`."""

import typer

from carteiro.cli.exit_codes import exit_with
from carteiro.cli.index.store_access import load_worker_settings, with_store
from carteiro.cli.json_lines import print_json
from carteiro.cli.plural import pluralise
from carteiro.retrieval.collection import CollectionCounts
from carteiro.retrieval.store import DocumentStore


def delete_collection(name: str, *, ask: bool, as_json: bool) -> None:
    """Delete a collection, after a question if `ask` is True. Exit with an error if the store does not have it."""
    settings = load_worker_settings()

    async def read_counts(store: DocumentStore) -> CollectionCounts:
        return await store.counts(name)

    async def delete(store: DocumentStore) -> None:
        await store.drop_collection(name)

    counts = with_store(settings, read_counts)
    if ask and not typer.confirm(f"delete {name} with its {pluralise(counts.documents, 'document')}?", err=True):
        exit_with("nothing is deleted")
    with_store(settings, delete)
    if as_json:
        print_json({"collection": name, "deleted": True, "documents": counts.documents})
    else:
        print(f"deleted {name}, {pluralise(counts.documents, 'document')}")
