"""The parts that a worker's settings make."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import RemoteEmbeddingModel
from carteiro.models.registry import load_providers
from carteiro.models.settings import ModelSettings
from carteiro.schemas import Usage
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks
from carteiro.worker.composition import factories as module
from carteiro.worker.composition.factories import (
    create_budget,
    create_cache,
    create_circuit_breakers,
    may_have_batches,
    open_chains,
    open_models,
)
from carteiro.worker.handling.redis_cache import RedisCache

TASKS = {task.name: task for task in find_tasks()}
KEYS = ModelSettings(OPENAI_API_KEY="sk-test")  # type: ignore[call-arg]
PRICED, UNPRICED = "openai:gpt-4o-mini", "openai:unheard-of"


def names(models: dict[str, Any]) -> dict[str, list[str]]:
    return {chain: [model.name for model in several] for chain, several in models.items()}


def test_chains_have_their_models_in_order_and_share_equal_ones() -> None:
    models = open_chains({"a": (TASKS["chat"], ["openai:x", "openai:y"]), "b": (TASKS["chat"], ["openai:x"])}, KEYS)
    assert names(models) == {"a": ["openai:x", "openai:y"], "b": ["openai:x"]}
    assert models["a"][0] is models["b"][0]


def test_model_that_cannot_do_the_task_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "open_model", lambda name, *_: SimpleNamespace(name=name, remote=False))
    with pytest.raises(ModelUnusable, match="openai:x cannot do the task chat"):
        open_chains({"a": (TASKS["chat"], ["openai:x"])}, KEYS)


def test_model_of_the_task_s_own_setting_goes_before_the_worker_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_CHAT_MODEL", "openai:own, openai:next")
    models = open_models([TASKS["chat"], TASKS["generate"]], WorkerSettings(model="openai:x"), KEYS)
    assert names(models) == {"chat": ["openai:own", "openai:next"], "generate": ["openai:x"]}


def test_unusable_model_is_named_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    chat, generate = TASKS["chat"], TASKS["generate"]
    with pytest.raises(ModelUnusable, match="^google-translate: "):
        open_models([chat], WorkerSettings(model="google-translate:"), KEYS)
    with pytest.raises(ModelUnusable, match="^CARTEIRO_INDEX_MODEL: google-translate: "):
        open_models([chat], WorkerSettings(model="openai:x"), KEYS, {"index": (TASKS["embed"], ["google-translate:"])})
    monkeypatch.setenv("CARTEIRO_CHAT_MODEL", "google-translate:")
    with pytest.raises(ModelUnusable, match="^CARTEIRO_CHAT_MODEL: google-translate: "):
        open_models([generate, chat], WorkerSettings(model="openai:x"), KEYS)


def test_worker_without_torch_serves_what_its_cloud_model_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "carteiro.models.local.transformers.factory", None)
    chat, embed = TASKS["chat"], TASKS["embed"]
    with capture_logs() as logs:
        assert list(open_models([chat, embed], WorkerSettings(model="openai:x"), KEYS)) == ["chat"]
    assert [(line["task"], line["advice"]) for line in logs] == [("embed", "set CARTEIRO_EMBED_MODEL, or ignore this")]
    with pytest.raises(ModelUnusable, match="^CARTEIRO_EMBED_MODEL: local:minilm needs"):
        open_models([embed], WorkerSettings(model="openai:x"), KEYS)
    monkeypatch.setenv("CARTEIRO_EMBED_MODEL", "local:other")
    with pytest.raises(ModelUnusable):
        open_models([chat, embed], WorkerSettings(model="openai:x"), KEYS)


def test_cloud_model_embeds_for_the_task_that_needs_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_EMBED_MODEL", "openai:small")
    models = open_models([TASKS["chat"], TASKS["embed"]], WorkerSettings(model="openai:x"), KEYS)
    (embedder,) = models["embed"]
    assert isinstance(embedder, RemoteEmbeddingModel)
    assert create_circuit_breakers([embedder, *models["chat"]], lambda: None).keys() == {"openai:small", "openai:x"}


def test_model_that_chats_does_not_embed_in_the_same_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_EMBED_MODEL", "openai:x")
    with pytest.raises(ModelUnusable, match="openai:x cannot do the task embed.* both to chat and to embed"):
        open_models([TASKS["chat"], TASKS["embed"]], WorkerSettings(model="openai:x"), KEYS)


@pytest.mark.parametrize(
    ("model", "expected"), [("openai:x,local:y", True), ("local:y,openai:x", False), ("unheard-of:x", False)]
)
def test_batches_depend_on_the_provider_of_the_first_model(model: str, expected: bool) -> None:
    assert may_have_batches(TASKS["chat"], WorkerSettings(model=model)) is expected


def test_cache_is_in_memory_without_an_address_and_else_shared() -> None:
    assert create_cache(WorkerSettings())._backend is None
    cache = create_cache(WorkerSettings(cache_url="redis://:secret@127.0.0.1:9"))  # type: ignore[arg-type]
    assert isinstance(cache._backend, RedisCache)


def test_wrong_address_of_a_cache_is_refused_without_its_password() -> None:
    with pytest.raises(SettingsInvalid, match="CARTEIRO_CACHE_URL: write redis://") as refused:
        create_cache(WorkerSettings(cache_url="http://:secret@cache"))  # type: ignore[arg-type]
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_missing_client_of_the_cache_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "carteiro.worker.handling.redis_cache")
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(SettingsInvalid, match=r"carteiro\[redis\]"):
        create_cache(WorkerSettings(cache_url="redis://127.0.0.1:9"))  # type: ignore[arg-type]


def test_spending_cap_needs_the_price_of_each_model() -> None:
    with pytest.raises(ModelUnusable, match=UNPRICED):
        create_budget(WorkerSettings(spend_per_day_usd=1), [PRICED, UNPRICED], lambda: None)
    assert not create_budget(WorkerSettings(), [UNPRICED], lambda: None).limits.has_limit


def test_budget_has_the_limits_of_the_settings() -> None:
    settings = WorkerSettings(spend_per_request_usd=1, spend_per_key_usd=2, spend_per_day_usd=3, budget_action="pause")
    limits = create_budget(settings, [PRICED], lambda: None).limits
    assert (limits.per_request, limits.per_key, limits.per_day, limits.pauses) == (1, 2, 3, True)


def test_prices_of_the_own_file_take_precedence(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(f'dated = 2026-11-01\n[models]\n"{UNPRICED}" = {{ input = 1.0, output = 2.0 }}\n')
    budget = create_budget(WorkerSettings(prices=path, spend_per_day_usd=1), [UNPRICED], lambda: None)
    price = budget.prices.price_of(UNPRICED)
    assert price is not None
    assert price.cost(Usage(input_tokens=1_000_000)) == 1.0


@pytest.mark.parametrize("kind", [each.scheme for each in load_providers().values() if not each.remote])
def test_local_model_costs_nothing_and_starts_with_a_budget(kind: str) -> None:
    name = f"{kind}:smollm2"
    budget = create_budget(WorkerSettings(spend_per_day_usd=1), [name], lambda: None)
    price = budget.prices.price_of(name)
    assert price is not None
    assert price.cost(Usage(input_tokens=40, output_tokens=7)) == 0
    assert budget.limits.has_limit
