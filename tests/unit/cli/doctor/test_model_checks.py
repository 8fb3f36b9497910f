"""The doctor's check of prices and budget limits, which would otherwise end a worker."""

import sys
from pathlib import Path

import pytest

from carteiro.cli.doctor.model_checks import check_budget, check_models, check_rerank_model
from carteiro.models.settings import ModelSettings
from carteiro.settings.worker import WorkerSettings
from services.embed.task import task as embed
from services.generate.task import task
from tests.provider import Provider

SERVER = "http://127.0.0.1:1/v1#model"


def test_missing_limits_and_prices_give_no_finding():
    assert check_budget([task], WorkerSettings(model=SERVER)) is None


def test_limit_without_a_price_is_a_fault_that_names_the_model():
    found = check_budget([task], WorkerSettings(model=SERVER, spend_per_day_usd=1))
    assert found is not None
    assert found.verdict == "fault"
    assert SERVER in found.message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("[models", "is not TOML"),
        ('dated = 2026-11-24\n[models]\n"a:b" = { input = "much", output = 1 }', "models.a:b.input: must be a number"),
    ],
)
def test_unreadable_prices_are_a_fault_in_plain_words(tmp_path: Path, content: str | None, reason: str):
    prices = tmp_path / "prices.toml"
    if content is not None:
        prices.write_text(content)
    found = check_budget([task], WorkerSettings(model=SERVER, prices=prices))
    assert found is not None
    assert found.verdict == "fault"
    assert f"CARTEIRO_PRICES: {prices}: {reason}" in found.message


def test_limit_with_a_price_gives_no_fault(tmp_path: Path):
    prices = tmp_path / "prices.toml"
    prices.write_text(f'dated = 2026-11-24\n[models]\n"{SERVER}" = {{ input = 1, output = 1 }}')
    found = check_budget([task], WorkerSettings(model=SERVER, prices=prices, spend_per_day_usd=1))
    assert found is not None
    assert found.verdict == "ok"


async def test_embedding_model_is_asked_for_a_vector(provider: Provider, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CARTEIRO_EMBED_MODEL", f"{provider.url}#vectors")
    settings = WorkerSettings(model=f"{provider.url}#echo")
    before = len(provider.requests)
    found = [each async for each in check_models([task, embed], settings, ModelSettings(), ask=True)]
    assert [each.verdict for each in found] == ["ok", "ok"]
    assert [each.path for each in provider.requests[before:]] == ["/v1/chat/completions", "/v1/embeddings"]


async def test_task_that_a_worker_leaves_out_is_a_warning(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "carteiro.models.local.transformers.factory", None)
    settings = WorkerSettings(model=SERVER)
    found = [each async for each in check_models([task, embed], settings, ModelSettings(), ask=False)]
    assert [each.verdict for each in found] == ["ok", "warning"]
    assert found[1].advice == "a worker of all tasks leaves embed out: set CARTEIRO_EMBED_MODEL"
    (alone,) = [each async for each in check_models([embed], settings, ModelSettings(), ask=False)]
    assert alone.verdict == "fault"


async def test_fault_names_the_model_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    settings = WorkerSettings(model="openai:gpt-4.1")
    (finding,) = [each async for each in check_models([task], settings, ModelSettings(), ask=False)]
    assert (finding.what, finding.verdict) == ("model openai:gpt-4.1", "fault")
    assert finding.message == "needs a key: set OPENAI_API_KEY or OPENAI_API_KEY_FILE"


def test_rerank_model_that_cannot_rerank_is_a_fault():
    assert check_rerank_model(WorkerSettings(), ModelSettings()) is None
    found = check_rerank_model(WorkerSettings(rerank_model="local:minilm"), ModelSettings())
    assert found is not None
    assert found.verdict == "fault"
    assert found.message.startswith("CARTEIRO_RERANK_MODEL: local:minilm cannot compare a question and a passage")
