"""The client of language services: its runner, its credential, its counts and its parts."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models.cloud.language.service import billed_in_thousands, count, run_parts, split_by_length
from carteiro.models.errors import Misconfigured, Unavailable, attached_usage
from carteiro.models.service_call import ServiceAnswer, ServiceCall
from carteiro.schemas import Usage
from tests.provider.language_services import KEY, LanguageServices
from tests.unit.models.cloud.language.conftest import OpenService


async def test_runner_makes_each_call_of_a_long_text(services: LanguageServices, open_service: OpenService) -> None:
    sent = []

    async def run(call: ServiceCall, send: Callable[[], Awaitable[ServiceAnswer]]) -> ServiceAnswer:
        sent.append(call.text)
        services.answer({"error": {"code": 503000, "message": "Busy."}}, 503)
        with pytest.raises(Unavailable):
            await send()
        return await send()

    model = open_service("azure-translator:")
    found = await model.with_runner(run).translate("A sentence. " * 5000, "en", "pt")
    assert len(sent) == 2
    assert len(services.requests) == 4
    assert found.usage == Usage(characters=sum(map(len, sent)))
    await model.translate("Hi", "en", "pt")
    assert len(sent) == 2


async def test_key_in_a_file_is_read_again_when_it_is_refused(
    services: LanguageServices, open_service: OpenService, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("old")
    model = open_service(
        "azure-translator:", AZURE_TEXT_TRANSLATION_APIKEY="", AZURE_TEXT_TRANSLATION_APIKEY_FILE=str(file)
    )
    with pytest.raises(Misconfigured, match="AZURE_TEXT_TRANSLATION_APIKEY_FILE"):
        await model.translate("Hi", "en", "pt")
    file.write_text(KEY)
    assert (await model.translate("Hi", "en", "pt")).text == "pt[Hi]"


async def test_cancelled_call_may_have_been_charged(services: LanguageServices, open_service: OpenService) -> None:
    services.hang()
    call = asyncio.create_task(open_service("azure-translator:").translate("Hello", "en", "pt"))
    while not services.requests:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call
    assert attached_usage(caught.value) == Usage(characters=5)


async def test_service_that_cannot_be_reached_costs_nothing(open_service: OpenService) -> None:
    model = open_service("azure-translator:", AZURE_TEXT_TRANSLATION_ENDPOINT="http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        await model.translate("Hello", "en", "pt")
    assert caught.value.usage is None


async def test_page_instead_of_json_is_a_failure(services: LanguageServices, open_service: OpenService) -> None:
    services.answer("<html>" * 30_000)
    with pytest.raises(Unavailable, match="not asked for"):
        await open_service("azure-translator:").translate("Hello", "en", "pt")


@given(st.text(), st.integers(1, 40))
async def test_parts_are_the_text_without_halves_of_characters(text: str, limit: int) -> None:
    parts = await split_by_length(text, limit, len)
    assert "".join(parts) == text
    assert all(len(part) <= limit for part in parts)


async def test_half_a_character_is_replaced() -> None:
    assert await split_by_length("a\ud83d", 10, len) == ["a\ufffd"]


def test_counts_and_thousands() -> None:
    assert [count(each, 7) for each in (3, "12", -1, 1e3, None, True, "1" * 300, "١")] == [3, 12, 7, 7, 7, 7, 7, 7]
    assert [billed_in_thousands("a" * each) for each in (0, 1, 1000, 1001)] == [1000, 1000, 1000, 2000]


async def test_few_parts_run_at_once() -> None:
    running = most = 0

    async def work(part: str) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return part

    parts = [str(each) for each in range(30)]
    assert await run_parts(parts, work) == parts
    assert most == 8


async def test_answer_has_no_halves_of_characters(services: LanguageServices, open_service: OpenService) -> None:
    services.answer({"value": [{"translations": [{"text": "\ud83d\ude00 \ud83d"}]}]})
    assert (await open_service("azure-translator:").translate("Hi", "en", "pt")).text == "\U0001f600 \ufffd"
