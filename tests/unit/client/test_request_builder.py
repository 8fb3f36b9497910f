"""Invalid calls of the client: each error is plain and comes before anything is sent."""

import pytest

from carteiro.client import Carteiro, CarteiroError, RequestInvalid
from carteiro.client.request_builder import CallOptions, RecordOptions
from carteiro.schemas import REQUESTS, Options
from carteiro.schemas.summarize import SummarizeRequest

ARGUMENTS = {
    "translate": ("x", "pt"),
    "answer": ("x?", "x"),
    "classify": ("x", ["a", "b"]),
    "extract": ("x", {"type": "object"}),
}
LIBRARY_WORDS = (
    "pydantic",
    "validation error",
    "String should",
    "Input should",
    "pattern",
    "input_value",
    "Extra inputs",
)


@pytest.fixture
def carteiro() -> Carteiro:
    return Carteiro("localhost:9092")


@pytest.mark.parametrize("task", REQUESTS)
async def test_unknown_keyword_names_the_nearest(carteiro: Carteiro, task: str):
    arguments = ARGUMENTS.get(task, ("x",))
    expected = rf"{task}\(\) has no keyword 'max_tokens'; did you mean 'max_output_tokens'\?"
    with pytest.raises(TypeError, match=expected):
        await getattr(carteiro, task)(*arguments, max_tokens=5)
    with pytest.raises(TypeError, match=expected):
        await anext(getattr(carteiro.stream, task)(*arguments, max_tokens=5))


async def test_keyword_of_the_task_itself_is_suggested(carteiro: Carteiro):
    with pytest.raises(TypeError, match="'lenght'; did you mean 'length'"):
        await carteiro.summarize("x", lenght="short")


async def test_unlike_keyword_gets_the_list_of_keywords(carteiro: Carteiro):
    with pytest.raises(TypeError, match=r"no keyword 'zzz'; it takes .*conversation_id, .*temperature"):
        await carteiro.chat("x", zzz=1)


async def test_stream_keyword_gets_the_way_to_stream(carteiro: Carteiro):
    with pytest.raises(TypeError, match=r"stream\.chat\(\)"):
        await carteiro.chat("x", stream=True)


async def test_model_option_is_not_a_keyword_of_ask(carteiro: Carteiro):
    with pytest.raises(
        TypeError, match=r"ask\(\) has no keyword 'temperature'; it takes idempotency_key, key, timeout"
    ):
        await carteiro.ask(SummarizeRequest(text="x"), temperature=1)
    with pytest.raises(TypeError, match=r"ask\(\) takes a request of carteiro.schemas, .*not dict"):
        await carteiro.ask({"text": "x"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.summarize(" "), "text: must not be blank"),
        (lambda c: c.summarize(None), "text: is missing"),
        (lambda c: c.summarize(b"x"), "text: must be a text"),
        (lambda c: c.summarize("x", style="haiku"), "style: must be 'paragraph' or 'bullets'"),
        (lambda c: c.translate("x", "português!"), "target: must be a language tag of BCP 47, such as pt or pt-BR"),
        (lambda c: c.generate("x", temperature=9), "temperature: must be at most 2"),
        (lambda c: c.generate("x", max_output_tokens=0), "max_output_tokens: must be at least 1"),
        (lambda c: c.generate("x", max_output_tokens=1.5), "max_output_tokens: must be a whole number"),
        (lambda c: c.generate("x", seed=None, wait="1 day"), "wait: must be a number and s, m, h or d, such as"),
        (lambda c: c.chat([]), "messages: must not be empty"),
        (
            lambda c: c.chat([{"role": "bot", "content": "x"}]),
            "messages.0.role: must be 'system', 'user',",
        ),
        (lambda c: c.chat(["x"]), "messages.0: must be an object"),
        (lambda c: c.chat(7), "messages: must be a list"),
        (lambda c: c.sentiment("x", labels="good"), "labels: must have at least 2 entries"),
        (lambda c: c.answer("", "x"), "question: must not be blank"),
        (lambda c: c.generate("x", timeout=0), "timeout: must be more than 0 seconds"),
        (lambda c: c.generate("x", timeout="5"), "timeout: must be a number of seconds"),
        (lambda c: c.generate("x", key=5), "key: must be bytes or a text"),
    ],
)
async def test_invalid_value_is_reported_in_our_own_words(carteiro: Carteiro, call, message: str):
    with pytest.raises(RequestInvalid) as caught:
        await call(carteiro)
    assert str(caught.value).startswith(message)
    assert caught.value.fields[0].field == message.partition(":")[0]
    assert isinstance(caught.value, CarteiroError)
    assert isinstance(caught.value, ValueError)
    assert not [words for words in LIBRARY_WORDS if words in str(caught.value)]
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_every_option_is_a_keyword_of_the_calls():
    keywords = CallOptions.__optional_keys__ - RecordOptions.__optional_keys__
    assert keywords == Options.model_fields.keys() - {"stream"}
