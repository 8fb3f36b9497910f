"""Finds the passages of a collection for a request that names one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from carteiro.concurrency.retry import retry_while_away
from carteiro.extras import ExtraMissing
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreUnavailable, SearchInvalid
from carteiro.retrieval.retriever import EmptyCollection, Search
from carteiro.schemas import FieldError, OkReply
from carteiro.schemas.collection import DEFAULT_TOP_K, CollectionRequest, Passage
from carteiro.worker.handling.library import Library
from carteiro.worker.handling.request_context import RequestContext
from carteiro.worker.handling.steps.step import Handle
from carteiro.worker.parsing import invalid_field

log = structlog.get_logger("carteiro.worker")

_PATIENCE_SECONDS = 3600.0
"""Time for which a request tries the store again, if its deadline is not earlier. Then it becomes a dead letter."""

_MAX_SEARCH_CHARACTERS = 4000
"""Characters that are searched for. A message of a chat may be a whole document, which would take minutes to embed."""
_MAX_EARLIER_CHARACTERS = 1000


@dataclass(frozen=True, slots=True)
class RetrievePassages:
    """Adds the best passages of its collection to a request.

    Raises `RequestRejected`, the errors of models, and `DocumentStoreUnavailable` if the store stays away.
    """

    library: Library | None
    """None if the service has no store of documents."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    clock: Callable[[], float] = time.monotonic

    async def __call__(self, context: RequestContext, handle: Handle) -> OkReply[Any]:
        request = context.parsed
        if not isinstance(request, CollectionRequest) or request.collection is None:
            return await handle(context)
        context.activity = "the service was searching a collection"
        passages = tuple(await self._find(request, request.collection, context))
        context.request = request.with_passages(passages)
        if context.turn is not None:
            context.turn.add_passages(passages)
        context.activity = "the model was at work"
        return await handle(context)

    async def _find(self, request: CollectionRequest[Any], collection: str, context: RequestContext) -> list[Passage]:
        library = self.library
        if library is None:
            raise _rejection("collection", "this service has no store of documents")
        if not library.serves(collection):
            raise _rejection("collection", "is not served here (CARTEIRO_SEARCH_COLLECTIONS)")
        if request.rerank and library.rerank_model is None:
            raise _rejection("rerank", "this service has no rerank model (CARTEIRO_RERANK_MODEL)")
        search = Search(
            collection=collection,
            text=request.search_text[:_MAX_SEARCH_CHARACTERS],
            earlier=request.earlier_search_text[:_MAX_EARLIER_CHARACTERS],
            filters=request.filter,
            top_k=request.top_k or DEFAULT_TOP_K,
            rerank_model=library.rerank_model if request.rerank else None,
        )
        try:
            return await retry_while_away(
                partial(library.find, search, context.meter),
                DocumentStoreUnavailable,
                _log_away,
                self.sleep,
                patience=lambda _: _PATIENCE_SECONDS,
                clock=self.clock,
            )
        except ExtraMissing as missing:
            raise _rejection("collection", f"this service cannot search: {missing}") from None
        except CollectionUnknown:
            raise _rejection("collection", "is not in the service's store of documents (CARTEIRO_STORE)") from None
        except EmptyCollection:
            raise _rejection("collection", "has no documents") from None
        except SearchInvalid as error:
            raise _rejection("filter", str(error).removeprefix("filter: ")) from None


def _log_away(error: DocumentStoreUnavailable) -> None:
    log.warning("a request waits for the store of documents", reason=str(error))


def _rejection(field: str, reason: str) -> Exception:
    return invalid_field(FieldError(field=field, reason=reason))
