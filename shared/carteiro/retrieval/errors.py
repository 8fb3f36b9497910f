"""Failures of documents, collections and their stores. No message holds a document's text or a library's own words."""


class DocumentInvalid(ValueError):
    """A document or its chunks are over a limit, or have characters that no store keeps. The message says which."""


class SearchInvalid(ValueError):
    """A search cannot be done as it is written: its filter, its vector or its limit. The message says why."""


class CollectionUnknown(LookupError):
    """The store has no collection of that name, or the collection has no such generation (any more)."""


class VectorMissing(LookupError):
    """A chunk was written without a vector, and the store has none for its hash: embed it, and write again."""


class DocumentStoreInvalid(ValueError):
    """A store cannot be opened or used with its settings. A later try does not help; the message says what does."""


class DocumentStoreUnavailable(Exception):
    """A store cannot be reached, is busy, or fails by itself. A later try may succeed."""
