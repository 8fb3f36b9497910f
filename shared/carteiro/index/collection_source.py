"""Sources of collections: a topic of documents, or any topic with a file that says how its events become documents."""

from contextlib import suppress
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from carteiro.enrichment.enrichment_file import ExpressionText
from carteiro.retrieval.collection import check_collection_name
from carteiro.retrieval.errors import DocumentStoreInvalid
from carteiro.schemas.request import Duration, Options
from carteiro.settings.yaml_file import FilePart, default_name, read_yaml_file, validate_yaml
from carteiro.wire.topics import TopicName, Topics

SERVED_PREFIX = "index-"


class CollectionFileInvalid(Exception):
    """A collection, or the file of one, cannot be used. The message names the file, the line and what to write."""


def _check_name(name: str) -> str:
    try:
        check_collection_name(name)
    except DocumentStoreInvalid as error:
        raise ValueError(str(error)) from None
    return name


class CollectionSource(FilePart):
    """A collection, and the topic whose records are its documents."""

    collection: Annotated[str, AfterValidator(_check_name)]
    """Name of the collection; by default the file's name without its ending."""
    source: TopicName = Field(alias="from")
    """Topic of the events. The key of an event is that of its document."""
    document: ExpressionText | None = None
    """Expression of the document, with the fields of a `DocumentRecord`. An event for which it is null deletes the
    document. Without an expression the event is the document.
    """

    wait: Duration | None = None
    """Longest time until a document is indexed; permits the provider's batch API to embed it."""

    @property
    def patience(self) -> timedelta | None:
        """`wait` as a duration."""
        return Options(wait=self.wait).patience

    @property
    def served_name(self) -> str:
        """Name of the collection among a worker's tasks: in its group, its metrics and its topic of dead letters."""
        return f"{SERVED_PREFIX}{self.collection}"

    def document_of(self, event: dict[str, Any]) -> Any:
        """Return the document in an event, as JSON; None if the event deletes it. Raise `ExpressionFailed`."""
        return self.document.evaluate(event) if self.document else event


def load_collections(named: str | None, topics: Topics) -> list[CollectionSource]:
    """Return the collections of a setting: names of collections, and files, with commas between them.

    Raise `CollectionFileInvalid`.
    """
    parts = [part.strip() for part in (named or "").split(",") if part.strip()]
    sources = [_load_file(FilePath(part)) if _is_file(part) else _own_topic(part, topics) for part in parts]
    names = [source.collection for source in sources]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise CollectionFileInvalid(f"two sources are named {min(doubled)}: set `collection` in one of the files")
    return sources


def served_topics(named: str | None, topics: Topics) -> dict[str, str]:
    """Return the topics of the collections of a setting, by their names among a worker's tasks.

    The files of collections may not be there, since only the workers need them: such collections are left out.
    """
    found: dict[str, str] = {}
    for part in (named or "").split(","):
        with suppress(CollectionFileInvalid):
            found |= {source.served_name: source.source for source in load_collections(part, topics)}
    return found


def _is_file(part: str) -> bool:
    return "/" in part or part.endswith((".yaml", ".yml"))


def _own_topic(name: str, topics: Topics) -> CollectionSource:
    try:
        return CollectionSource(collection=_check_name(name), source=topics.documents(f"{SERVED_PREFIX}{name}"))
    except ValueError as error:
        raise CollectionFileInvalid(f"{name[:100]!r}: {error}; a file ends with .yaml") from None


def _load_file(path: FilePath) -> CollectionSource:
    text = read_yaml_file(path, CollectionFileInvalid)
    defaults = {"collection": default_name(path, "documents")}
    return validate_yaml(
        CollectionSource, text, str(path), defaults, "a collection: it has from", CollectionFileInvalid
    )
