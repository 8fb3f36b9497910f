"""Behaviours of real providers. Each class holds the differences from OpenAI's Chat Completions, with their sources.

A behaviour defines the requests that the provider refuses and their error messages, the reasoning tokens that count
towards the limit of output tokens, the form of its answer, complete and streamed, and the form of its errors.
`CatalogueProvider` serves a behaviour on a port: `python -m tests.provider --behave groq`. A new provider needs a
subclass of `Behaviour` in a module of its own and an entry in the list below. `tests/unit/worker/test_providers.py`
then runs all tasks with it.
"""

from tests.provider.catalogue.anthropic import AnthropicCompatible
from tests.provider.catalogue.anthropic_messages import AnthropicAdaptive, AnthropicMessages, AnthropicThinking
from tests.provider.catalogue.azure import Azure, AzureOld, AzureReasoning
from tests.provider.catalogue.behaviour import Behaviour
from tests.provider.catalogue.catalogue_provider import CatalogueProvider
from tests.provider.catalogue.compatible import XAI, Cerebras, Cohere, Fireworks, HuggingFace, Nvidia, Perplexity
from tests.provider.catalogue.deepseek import DeepSeek, DeepSeekReasoner
from tests.provider.catalogue.engines import (
    TGI,
    VLLM,
    VLLMR1,
    LlamaCpp,
    OldVLLM,
    Ollama,
    OllamaGptOss,
    SGLang,
    VLLMGptOss,
)
from tests.provider.catalogue.gemini import Gemini
from tests.provider.catalogue.groq import Groq, GroqGptOss
from tests.provider.catalogue.litellm import LiteLLM
from tests.provider.catalogue.mistral import Magistral, Mistral
from tests.provider.catalogue.openai import (
    GatewayReasoning,
    OpenAI,
    OpenAICompletions,
    OpenAIO,
    OpenAIReasoning,
    OpenAIResponses,
)
from tests.provider.catalogue.openrouter import OpenRouter
from tests.provider.catalogue.together import Together, TogetherR1

__all__ = ["BEHAVIOURS", "Behaviour", "CatalogueProvider"]

_ALL: list[type[Behaviour]] = [
    *(OpenAI, OpenAIReasoning, OpenAIO, GatewayReasoning, OpenAIResponses, OpenAICompletions),
    *(Azure, AzureReasoning, AzureOld),
    *(Gemini, Mistral, Magistral, Groq, GroqGptOss, DeepSeek, DeepSeekReasoner, OpenRouter, AnthropicCompatible),
    *(AnthropicMessages, AnthropicAdaptive, AnthropicThinking),
    *(Fireworks, XAI, Cohere, Perplexity, Cerebras, Nvidia, HuggingFace),
    *(Together, TogetherR1, VLLM, VLLMR1, VLLMGptOss, OldVLLM, SGLang, LlamaCpp, Ollama, OllamaGptOss, TGI, LiteLLM),
]
BEHAVIOURS: dict[str, Behaviour] = {each.name: each() for each in _ALL}
"""The behaviour of each provider, by its name."""
