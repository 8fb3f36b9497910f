"""The step that finds the passages of a collection."""

import pytest
from structlog.testing import capture_logs

from carteiro.extras import ExtraMissing
from carteiro.retrieval.errors import CollectionUnknown, DocumentStoreUnavailable, SearchInvalid
from carteiro.retrieval.retriever import EmptyCollection, Search
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.collection import Passage
from carteiro.worker.handling.steps.conversation import InConversation
from carteiro.worker.handling.steps.retrieval import RetrievePassages
from carteiro.worker.handling.steps.step import compose
from carteiro.worker.parsing import RequestRejected
from services.chat.task import task
from tests.unit.worker.handling.steps.test_conversation import ChatHandler

PASSAGES = [Passage("ferry", "The ferry leaves at nine.")]


class FakeLibrary:
    """Library that raises each of `failures` in turn, and then finds `PASSAGES`."""

    def __init__(self, *failures: Exception, rerank_model: object = None) -> None:
        self.failures, self.rerank_model = list(failures), rerank_model
        self.searches: list[Search] = []

    def serves(self, collection: str) -> bool:
        return collection != "private"

    async def find(self, search, meter):
        self.searches.append(search)
        if self.failures:
            raise self.failures.pop(0)
        return PASSAGES


def request(**more: object) -> AnswerRequest:
    return AnswerRequest.model_validate({"question": "When?", "collection": "town"} | more)


async def rejection(make_context, next_handler, library, asked=None):
    with pytest.raises(RequestRejected) as caught:
        await RetrievePassages(library)(make_context(asked or request()), next_handler)
    assert next_handler.calls == 0
    return caught.value.error.code, caught.value.error.message


async def test_task_gets_the_passages(make_context, next_handler):
    library = FakeLibrary()
    asked = request(top_k=3, filter={"tenant": "north"})
    await RetrievePassages(library)(make_context(asked), next_handler)
    assert next_handler.context.parsed.passages == tuple(PASSAGES)
    assert library.searches == [Search(collection="town", text="When?", filters={"tenant": "north"}, top_k=3)]
    assert next_handler.context.activity == "the model was at work"


async def test_chat_searches_for_its_last_message(make_context, next_handler):
    library = FakeLibrary()
    messages = [{"role": "user", "content": "When?"}]
    await RetrievePassages(library)(
        make_context(ChatRequest.model_validate({"messages": messages, "collection": "town"})), next_handler
    )
    assert next_handler.context.parsed.passages == tuple(PASSAGES)
    assert library.searches[0].text == "When?"


async def test_stored_conversation_has_the_question_before(make_context, conversations):
    library = FakeLibrary()
    steps = compose(InConversation(conversations, task), RetrievePassages(library), last=ChatHandler())

    def ask(offset, text):
        fields = {"messages": [{"role": "user", "content": text}], "conversation_id": "guest-7", "collection": "town"}
        return make_context(ChatRequest.model_validate(fields), partition=3, offset=offset, key=b"guest-7")

    await steps(first := ask(0, "Is there a ferry?"))
    first.turn.on_acknowledged()
    await steps(second := ask(1, "When?"))
    assert [(each.text, each.earlier) for each in library.searches] == [
        ("Is there a ferry?", ""),
        ("When?", "Is there a ferry?"),
    ]
    assert second.turn.full_request.passages == tuple(PASSAGES)
    assert b"leaves at nine" not in second.turn.record.value


async def test_request_without_a_collection_is_handed_on(make_context, next_handler):
    library, context = FakeLibrary(), make_context(AnswerRequest(question="When?", context="At nine."))
    await RetrievePassages(library)(context, next_handler)
    assert next_handler.calls == 1
    assert library.searches == []


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (CollectionUnknown("town"), "collection: is not in the service's store of documents (CARTEIRO_STORE)"),
        (EmptyCollection(), "collection: has no documents"),
        (SearchInvalid("filter: 17 fields are more than 16"), "filter: 17 fields are more than 16"),
        (ExtraMissing("the store needs numpy"), "collection: this service cannot search: the store needs numpy"),
    ],
)
async def test_search_that_cannot_succeed_is_rejected(make_context, next_handler, failure, message):
    assert await rejection(make_context, next_handler, FakeLibrary(failure)) == ("invalid_request", message)


async def test_service_says_what_it_does_not_serve(make_context, next_handler):
    code, message = await rejection(make_context, next_handler, FakeLibrary(), request(collection="private"))
    assert (code, message) == ("invalid_request", "collection: is not served here (CARTEIRO_SEARCH_COLLECTIONS)")
    _, message = await rejection(make_context, next_handler, FakeLibrary(), request(rerank=True))
    assert message == "rerank: this service has no rerank model (CARTEIRO_RERANK_MODEL)"
    _, message = await rejection(make_context, next_handler, None)
    assert message == "collection: this service has no store of documents"


async def test_rerank_model_is_used_on_demand(make_context, next_handler):
    model = object()
    library = FakeLibrary(rerank_model=model)
    await RetrievePassages(library)(make_context(request()), next_handler)
    await RetrievePassages(library)(make_context(request(rerank=True)), next_handler)
    assert [search.rerank_model for search in library.searches] == [None, model]


async def test_request_waits_for_a_store_that_is_away(make_context, next_handler):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    library = FakeLibrary(DocumentStoreUnavailable("does not answer"), DocumentStoreUnavailable("does not answer"))
    with capture_logs() as logs:
        await RetrievePassages(library, sleep)(make_context(request()), next_handler)
    assert (next_handler.calls, len(pauses), len(logs)) == (1, 2, 1)


async def test_store_that_stays_away_is_an_error(make_context, next_handler):
    now = [0.0]

    async def sleep(seconds: float) -> None:
        now[0] += 1000

    library = FakeLibrary(*[DocumentStoreUnavailable("does not answer")] * 10)
    with pytest.raises(DocumentStoreUnavailable):
        await RetrievePassages(library, sleep, lambda: now[0])(make_context(request()), next_handler)
    assert len(library.searches) == 5


async def test_only_the_start_of_a_long_message_is_searched_for(make_context, next_handler):
    library = FakeLibrary()
    await RetrievePassages(library)(make_context(request(question="ferry " * 100_000)), next_handler)
    assert len(library.searches[0].text) == 4000
    assert len(next_handler.context.parsed.question) == 600_000
