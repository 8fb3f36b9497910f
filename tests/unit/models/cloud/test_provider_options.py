"""Service tiers and keys of the prompt cache: in requests, in refusals and in answers."""

from dataclasses import replace
from typing import Any

import pytest

from carteiro.models.cloud.provider_options import served_tier
from carteiro.models.errors import QuotaExhausted, TierUnavailable, Unsupported
from tests.provider import Provider
from tests.provider.completions import answer as answered
from tests.unit.models.cloud.cloud_models import PROMPT, open_cloud_model
from tests.unit.models.cloud.strict_server import ask, error, unknown
from tests.unit.models.cloud.test_reasoning_effort import SETTINGS

FLEX = replace(PROMPT, service_tier="flex")
CHOSEN = frozenset({"service_tier"})


@pytest.mark.parametrize(
    ("name", "tiers"),
    [
        ("openai:gpt-5.1", {"flex": "flex", "standard": "default", "priority": "priority"}),
        ("openai:gpt-5-pro", {"flex": "flex", "standard": "default", "priority": "priority"}),
        ("azure:x", {"flex": "flex", "standard": "default", "priority": "priority"}),
        ("bedrock:x", {"flex": "flex", "standard": "default", "priority": "priority"}),
        ("google:gemini-3.8-flash", {"flex": "flex", "standard": "standard", "priority": "priority"}),
        ("anthropic:claude-opus-5-5", {"standard": "standard_only", "priority": "auto"}),
        ("fireworks:x", {"priority": "priority"}),
        ("groq:x", {}),
    ],
)
def test_tiers_have_the_names_of_each_provider(name: str, tiers: dict[str, str]) -> None:
    model = open_cloud_model(name, ANTHROPIC_API_KEY="k", **SETTINGS)
    assert set(model.service_tiers) == set(tiers)
    for tier in ("flex", "standard", "priority"):
        prompt = replace(PROMPT, service_tier=tier)
        by_service = model.body(replace(prompt, service_options=CHOSEN))
        assert by_service.get("service_tier") == tiers.get(tier)
        if tier in tiers or tier == "standard":
            assert model.body(prompt).get("service_tier") == tiers.get(tier)
        else:
            with pytest.raises(Unsupported, match=f"no service tier {tier}"):
                model.body(prompt)


@pytest.mark.parametrize(
    "refusal",
    [
        error("Flex is not available for this model."),
        error("Unsupported value: 'service_tier' does not support 'flex'.", param="service_tier"),
        error('Unknown name "service_tier": Cannot find field.'),
    ],
)
async def test_tier_that_the_service_chose_is_dropped_and_a_callers_is_unsupported(server, opened, refusal) -> None:
    server.rules = [lambda body: refusal if "service_tier" in body else None]
    model = opened(tiers={"flex": "flex"})
    for _ in range(2):
        await model.complete(replace(FLEX, service_options=CHOSEN))
    assert ["service_tier" in body for body in server.bodies] == [True, False, False]
    with pytest.raises((Unsupported, Exception)) as caught:
        await model.complete(FLEX)
    assert caught.value.code in ("unsupported", "invalid_request")


async def test_cache_key_is_sent_where_it_is_known_and_never_costs_an_answer(server, opened) -> None:
    server.rules = [unknown("prompt_cache_key")]
    model, prompt = opened(takes_cache_key=True), replace(PROMPT, cache_key="k")
    for _ in range(2):
        await model.complete(prompt)
    assert [body.get("prompt_cache_key") for body in server.bodies] == ["k", None, None]
    assert "prompt_cache_key" not in opened().body(prompt)


@pytest.mark.parametrize("streams", [False, True])
async def test_refused_stop_is_dropped_and_the_completion_cut_here(server, opened, streams: bool) -> None:
    server.rules, server.text = [unknown("stop")], "one two three"
    model = opened()
    for _ in range(2):
        assert (await ask(model, replace(PROMPT, stop=[" two"]), streams)).text == "one"
    assert ["stop" in body for body in server.bodies] == [True, False, False]


@pytest.mark.parametrize(
    ("answer", "headers", "tier"),
    [
        ({"service_tier": "flex"}, {}, "flex"),
        ({"service_tier": "default"}, {}, "standard"),
        ({"service_tier": "priority"}, {}, "priority"),
        ({"service_tier": "standard"}, {}, "standard"),
        ({}, {"x-gemini-service-tier": "FLEX"}, "flex"),
        ({"service_tier": "auto"}, {}, None),
        ({"service_tier": {"type": "flex"}}, {}, None),
        ({}, {}, None),
        ([], {}, None),
    ],
)
def test_tier_is_read_from_an_answer_or_its_headers(answer: Any, headers: dict[str, str], tier: str | None) -> None:
    assert served_tier(answer, headers) == tier


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize(("asked", "said", "tier"), [("flex", "flex", "flex"), ("flex", "default", "standard")])
async def test_usage_says_the_tier_that_served_the_call(
    provider: Provider, streams: bool, asked: Any, said: str, tier: str
) -> None:
    model = open_cloud_model("openai:gpt-5.1", OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    if said != asked:  # Capacity of another tier serves the call.
        provider.answer(answered({"model": "gpt-5.1", "service_tier": said}, "yes", "stop", 1, 1))
    done = await ask(model, replace(PROMPT, service_tier=asked), streams)
    assert done.usage.service_tier == tier
    await model.close()


async def test_flex_without_capacity_slows_no_other_call(provider: Provider) -> None:
    model = open_cloud_model("openai:gpt-5.1", OPENAI_API_KEY="k", OPENAI_BASE_URL=provider.url)
    provider.flex_capacity = False
    with pytest.raises(TierUnavailable):
        await model.complete(FLEX)
    assert model.retry_after_seconds == 0
    provider.next("quota")
    with pytest.raises(QuotaExhausted):
        await model.complete(FLEX)
    assert (await model.complete(PROMPT)).text == "one two three"
    await model.close()
