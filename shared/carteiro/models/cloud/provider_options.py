"""Options of a call that each provider has in a form of its own: thinking, service tier, key of the prompt cache."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from carteiro.models.cloud.reasoning_effort import ReasoningFields
from carteiro.models.cloud.request_format import RequestFormat
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Prompt
from carteiro.schemas import ServiceTier

if TYPE_CHECKING:
    from carteiro.models.cloud.endpoint import Endpoint

TierNames = Mapping[ServiceTier, str]
OPENAI_TIERS: TierNames = {"flex": "flex", "standard": "default", "priority": "priority"}
"""Tiers of OpenAI and Azure (https://developers.openai.com/api/docs/guides/flex-processing,
https://learn.microsoft.com/azure/foundry/openai/how-to/flex-processing), of Bedrock
(https://docs.aws.amazon.com/bedrock/latest/userguide/service-tiers-inference.html) and of OpenRouter."""
GEMINI_TIERS: TierNames = {"flex": "flex", "standard": "standard", "priority": "priority"}
"""Tiers of Gemini (https://ai.google.dev/gemini-api/docs/flex-inference)."""
ANTHROPIC_TIERS: TierNames = {"standard": "standard_only", "priority": "auto"}
"""Tiers of Anthropic: an account that has bought capacity uses it with `auto`
(https://platform.claude.com/docs/en/api/service-tiers)."""
_TIERS: Mapping[Any, ServiceTier] = {
    "flex": "flex",
    "default": "standard",
    "standard": "standard",
    "priority": "priority",
    "fast": "priority",
}
"""Tiers by their names in answers."""
_TIER_HEADER = "x-gemini-service-tier"


def provider_options(
    endpoint: "Endpoint", prompt: Prompt, form: RequestFormat, reasoning: ReasoningFields | None = None
) -> dict[str, Any]:
    """Return the fields of the body for the options that are set. A key of the prompt cache never changes an answer, so
    an endpoint without such keys gets none. `reasoning` takes the place of the endpoint's own function for thinking.

    Raise `Unsupported` if the caller chose a tier that the endpoint does not have.
    """
    fields: dict[str, Any] = {}
    if prompt.reasoning is not None and (level := form.reasoning_level(prompt)) is not None:
        fields |= (reasoning or endpoint.reasoning)(endpoint.model, level)
    if prompt.service_tier is not None and "service_tier" not in form.omitted & prompt.service_options:
        fields |= _tier_field(endpoint, prompt.service_tier, chosen="service_tier" not in prompt.service_options)
    if prompt.cache_key is not None and endpoint.takes_cache_key and "prompt_cache_key" not in form.omitted:
        fields["prompt_cache_key"] = prompt.cache_key
    return fields


def _tier_field(endpoint: "Endpoint", tier: ServiceTier, *, chosen: bool) -> dict[str, str]:
    if (name := endpoint.tiers.get(tier)) is not None:
        return {"service_tier": name}
    if chosen and tier != "standard":
        raise Unsupported(f"{endpoint.model} has no service tier {tier}: leave out service_tier", "service_tier")
    return {}


def served_tier(answer: Any, headers: Mapping[str, str] | None = None) -> ServiceTier | None:
    """Return the tier that served a call, by its answer's JSON and headers; None if they do not say it."""
    name = answer.get("service_tier") if isinstance(answer, dict) else None
    name = name if isinstance(name, str) else (headers or {}).get(_TIER_HEADER)
    return _TIERS.get(name.lower()) if name else None


def special_tier(answer: Any) -> ServiceTier | None:
    """Return the tier that served a call, by its answer's JSON; None for the standard tier."""
    return None if (tier := served_tier(answer)) == "standard" else tier
