"""The step that reads the texts that a request refers to."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from carteiro.references.allow_list import parse_allow_list
from carteiro.references.errors import StoreUnavailable, TextUnavailable
from carteiro.references.memory_budget import MemoryBudget
from carteiro.references.object_stores import ObjectStores
from carteiro.references.reader import ReferenceReader
from carteiro.schemas.chat import ChatRequest
from carteiro.schemas.generate import GenerateRequest
from carteiro.worker.handling.steps.deadline import within_deadline
from carteiro.worker.handling.steps.references import ResolveReferences
from carteiro.worker.parsing import RequestRejected
from tests import media


def by_reference(uri: str) -> GenerateRequest:
    return GenerateRequest.model_validate({"prompt": {"uri": uri}})


class FlakyReader:
    """Reader whose store is away for the first calls."""

    def __init__(self, failures: float, error: Callable[[str], StoreUnavailable] = StoreUnavailable) -> None:
        self.failures, self.error = failures, error

    async def read(self, uris, files=()):
        if self.failures > 0:
            self.failures -= 1
            raise self.error("s3://letters does not answer")
        return dict.fromkeys(uris, "found"), await MemoryBudget(1).reserve(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("Why?")
    (tmp_path / "blank.txt").write_text(" \n")
    (tmp_path / "large.txt").write_text("x" * 101)
    return tmp_path


@pytest.fixture
def step(folder: Path) -> ResolveReferences:
    return ResolveReferences(ReferenceReader(parse_allow_list(folder.as_uri()), 100, ObjectStores()))


async def test_task_gets_the_text_in_place_of_the_reference(make_context, next_handler, step, folder):
    await step(make_context(by_reference((folder / "a.txt").as_uri())), next_handler)
    assert next_handler.context.parsed.prompt == "Why?"


async def test_chat_gets_the_texts_of_its_messages(make_context, next_handler, step, folder):
    content = {"uri": (folder / "a.txt").as_uri()}
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": content}]})
    await step(make_context(request), next_handler)
    assert next_handler.context.parsed.messages[0].content == "Why?"


async def test_request_without_a_reference_passes(make_context, next_handler):
    request = GenerateRequest(prompt="Why?")
    await ResolveReferences(None)(make_context(request), next_handler)
    assert next_handler.context.parsed is request


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("missing.txt", "invalid_request", "prompt.uri: names no file that can be read"),
        ("blank.txt", "invalid_request", "prompt: must not be blank"),
        (
            "large.txt",
            "too_large",
            "prompt.uri: is too large: the texts and files of a request have at most 100 bytes together",
        ),
        ("../../etc/passwd", "invalid_request", "prompt.uri: has an empty segment, `.` or `..` in its path"),
    ],
)
async def test_text_that_cannot_be_used_is_the_callers_error(
    make_context, next_handler, step, folder, name, code, message
):
    with pytest.raises(RequestRejected) as caught:
        await step(make_context(by_reference(f"{folder.as_uri()}/{name}")), next_handler)
    assert (caught.value.error.code, caught.value.error.message) == (code, message)
    assert not caught.value.error.retryable
    assert next_handler.calls == 0


async def test_service_without_an_allow_list_refuses_every_reference(make_context, next_handler):
    with pytest.raises(RequestRejected, match=r"prompt\.uri: this service reads nothing by reference"):
        await ResolveReferences(None)(make_context(by_reference("s3://letters/a")), next_handler)


async def test_text_in_many_places_is_as_large_as_many_texts(make_context, next_handler, step, folder):
    (folder / "a.txt").write_text("x" * 60)
    message = {"role": "user", "content": {"uri": (folder / "a.txt").as_uri()}}
    with pytest.raises(RequestRejected) as caught:
        await step(make_context(ChatRequest.model_validate({"messages": [message] * 2})), next_handler)
    assert caught.value.error.code == "too_large"


async def test_too_many_references_are_refused(make_context, next_handler, step):
    messages = [{"role": "user", "content": {"uri": f"s3://letters/{number % 2}"}} for number in range(101)]
    with pytest.raises(RequestRejected, match="refers to 101 texts"):
        await step(make_context(ChatRequest.model_validate({"messages": messages})), next_handler)


async def test_request_waits_for_a_store_that_is_away_and_is_served(make_context, next_handler):
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    with capture_logs() as logs:
        step = ResolveReferences(FlakyReader(3), sleep=sleep)
        await step(make_context(by_reference("s3://letters/patient?secret")), next_handler)
    assert next_handler.context.parsed.prompt == "found"
    assert len(pauses) == 3
    assert [each["event"] for each in logs] == ["a request waits for the store of its text"]
    assert "patient" not in str(logs)


async def test_store_that_stays_away_ends_at_the_deadline(make_context, next_handler):
    deadline = datetime.now(UTC) + timedelta(seconds=0.05)
    context = make_context(by_reference("s3://letters/a"), deadline=deadline)
    with pytest.raises(RequestRejected, match="was reading a text by reference") as caught:
        await within_deadline(context, partial(ResolveReferences(FlakyReader(1e9)), handle=next_handler))
    assert caught.value.error.code == "expired"


@pytest.mark.parametrize(("error", "longest"), [(StoreUnavailable, 3700), (TextUnavailable, 100)])
async def test_store_that_stays_away_is_an_error_of_its_own_and_a_senders_server_soon(
    make_context, next_handler, error, longest
):
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    step = ResolveReferences(FlakyReader(1e9, error), sleep=sleep, clock=lambda: now)
    with pytest.raises(error, match="s3://letters does not answer"):
        await step(make_context(by_reference("s3://letters/a")), next_handler)
    assert longest / 2 < now < longest


async def test_text_that_comes_slowly_is_not_tried_again(make_context, next_handler):
    step = ResolveReferences(FlakyReader(1, partial(TextUnavailable, is_slow=True)))
    with pytest.raises(TextUnavailable):
        await step(make_context(by_reference("https://texts.example/a")), next_handler)


async def test_memory_of_the_texts_is_given_back_after_the_request(make_context, folder):
    (folder / "a.txt").write_text("x" * 100)
    reader = ReferenceReader(parse_allow_list(folder.as_uri()), 100, ObjectStores())
    started, end = asyncio.Semaphore(0), asyncio.Event()

    async def work(context):
        started.release()
        await end.wait()
        raise LookupError

    step, request = ResolveReferences(reader), by_reference((folder / "a.txt").as_uri())
    running = [asyncio.create_task(step(make_context(request, offset=number), work)) for number in range(20)]
    for _ in range(16):
        await started.acquire()
    assert started.locked()
    end.set()
    assert all(isinstance(each, LookupError) for each in await asyncio.gather(*running, return_exceptions=True))


@pytest.fixture
def files(folder: Path) -> ResolveReferences:
    (folder / "a.png").write_bytes(media.PNG)
    (folder / "a.exe").write_bytes(b"MZ\x90\0")
    return ResolveReferences(ReferenceReader(parse_allow_list(folder.as_uri()), 10_000, ObjectStores()))


def with_attachments(*attachments: dict) -> GenerateRequest:
    return GenerateRequest.model_validate({"prompt": "Why?", "attachments": list(attachments)})


async def test_attachment_gets_the_content_at_its_address(make_context, next_handler, files, folder):
    uri = (folder / "a.png").as_uri()
    request = with_attachments({"uri": uri}, {"type": "image_url", "image_url": {"url": uri}}, {"uri": uri})
    await files(make_context(request), next_handler)
    read = next_handler.context.parsed.attachments
    assert [each.media.data for each in read] == [media.encoded(media.PNG)] * 3
    assert [each.address for each in read] == [uri] * 3


async def test_parts_of_a_message_are_read(make_context, next_handler, files, folder):
    parts = [
        {"type": "text", "text": {"uri": (folder / "a.txt").as_uri()}},
        {"uri": (folder / "a.png").as_uri()},
        {"data": media.encoded(media.PDF)},
    ]
    request = ChatRequest.model_validate({"messages": [{"role": "user", "content": parts}]})
    await files(make_context(request), next_handler)
    message = next_handler.context.parsed.messages[0]
    assert message.text == "Why?"
    assert [each.media.kind for each in message.attachments] == ["image", "pdf"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.exe", "attachments.1: is no PNG, JPEG, GIF, WebP, PDF, WAV or MP3 file"),
        ("missing.png", "attachments.1.uri: names no file that can be read"),
    ],
)
async def test_wrong_file_is_an_error_at_its_field(make_context, next_handler, files, folder, name, message):
    request = with_attachments({"data": media.encoded(media.PNG)}, {"uri": (folder / name).as_uri()})
    with pytest.raises(RequestRejected) as caught:
        await files(make_context(request), next_handler)
    assert (caught.value.error.code, str(caught.value)) == ("invalid_request", message)


async def test_error_of_an_image_url_names_it(make_context, next_handler, files, folder):
    image_url = {"type": "image_url", "image_url": {"url": (folder / "missing.png").as_uri()}}
    with pytest.raises(RequestRejected, match=r"^attachments\.0\.image_url\.url: names no file"):
        await files(make_context(with_attachments(image_url)), next_handler)


async def test_address_of_a_text_and_of_a_file_is_refused(make_context, next_handler, files, folder):
    uri = (folder / "a.txt").as_uri()
    request = GenerateRequest.model_validate({"prompt": {"uri": uri}, "attachments": [{"uri": uri}]})
    with pytest.raises(RequestRejected, match="names the same address as a text and as a file"):
        await files(make_context(request), next_handler)


async def test_files_need_the_permission_of_texts(make_context, next_handler):
    with pytest.raises(RequestRejected, match=r"attachments\.0\.uri: this service reads nothing by reference"):
        await ResolveReferences(None)(make_context(with_attachments({"uri": "s3://a/b.png"})), next_handler)
