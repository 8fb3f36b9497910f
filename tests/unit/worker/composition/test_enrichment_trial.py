"""A trial of an enrichment; a real server acts as the provider."""

from typing import Any

import pytest

from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentFileInvalid, parse_enrichment
from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.enrichment_trial import EnrichmentTrial, TrialResult, check_models, open_trial
from tests.provider import Provider
from tests.unit.wire.fake_record import FakeRecord, UnreadRecord

TEXT = """\
from: reviews
to: enriched
steps:
  - {task: generate, request: "{prompt: text}", into: ai.answer, take: text}
"""


def make_file(old: str = "", new: str = "") -> EnrichmentFile:
    return parse_enrichment(TEXT.replace(old, new).encode(), "f", "shop")


@pytest.fixture
def model(provider: Provider) -> str:
    return f"{provider.url}#echo"


async def try_event(model: str, value: bytes | None, timeout: float = 60, **settings: Any) -> TrialResult:
    async with open_trial(make_file(), WorkerSettings(model=model, **settings), ModelSettings()) as trial:
        return await trial.run(FakeRecord(value, topic="reviews"), timeout)


async def test_event_is_enriched_and_its_usage_counted(model: str) -> None:
    result = await try_event(model, b'{"text": "hello"}')
    assert result.enriched.value.startswith(b'{"text": "hello","ai":{"answer":')
    assert result.usage.input_tokens > 0
    assert result.seconds >= 0


async def test_tombstone_and_unreadable_event_cost_no_call(model: str, provider: Provider) -> None:
    calls = len(provider.requests)
    assert (await try_event(model, None)).enriched.value == b""
    unreadable = (await try_event(model, b"no JSON")).enriched
    assert (unreadable.value, [error.code for error in unreadable.errors]) == (b"no JSON", ["unreadable"])
    assert len(provider.requests) == calls


async def test_event_too_large_to_read_is_no_tombstone(model: str) -> None:
    record = UnreadRecord(None, topic="reviews")
    async with open_trial(make_file(), WorkerSettings(model=model), ModelSettings()) as trial:
        enriched = (await trial.run(record, 60)).enriched
    assert (enriched.action, [error.code for error in enriched.errors]) == ("dead_letter", ["too_large"])


async def test_model_that_hangs_fails_the_step_after_the_time_of_the_trial(model: str, provider: Provider) -> None:
    provider.next("hang")
    result = await try_event(model, b'{"text": "hello"}', timeout=0.2)
    assert [error.code for error in result.enriched.errors] == ["expired"]


async def test_models_are_loaded_before_and_closed_after_the_trial(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    calls = list[str]()

    async def load(_: CloudModel) -> None:
        calls.append("load")

    async def close(_: CloudModel) -> None:
        calls.append("close")

    monkeypatch.setattr(CloudModel, "load", load)
    monkeypatch.setattr(CloudModel, "close", close)

    async def fail(trial: EnrichmentTrial) -> None:
        calls.append("try")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        async with open_trial(make_file(), WorkerSettings(model=model), ModelSettings()) as trial:
            await fail(trial)
    assert calls == ["load", "try", "close"]


def test_check_refuses_unknown_tasks_and_models() -> None:
    settings = WorkerSettings(model="openai:x")
    check_models(make_file(), settings, ModelSettings(OPENAI_API_KEY="k"))  # type: ignore[call-arg]
    with pytest.raises(EnrichmentFileInvalid, match="no task 'sing'"):
        check_models(make_file("task: generate", "task: sing"), settings, ModelSettings())
    with pytest.raises(ModelUnusable):
        check_models(make_file(), WorkerSettings(model="nobody:x"), ModelSettings())
