"""Open a model of each provider, and run a batch on it."""

import asyncio

from carteiro.models.cloud.batch_api.interface import BatchApi, BatchItemResult, ProviderBatch
from carteiro.models.cloud.client import CloudModel
from carteiro.models.prompt import Message, Prompt
from tests.provider import Provider
from tests.unit.models.cloud.cloud_models import KEY, open_cloud_model

PROVIDERS = ("openai", "azure", "google")
"""Providers with files."""
ALL_PROVIDERS = (*PROVIDERS, "anthropic")


def open_model(provider: Provider, scheme: str, model: str = "echo", **settings: str) -> CloudModel:
    """Return a model of this scheme at the local provider."""
    where = {
        "openai": {"OPENAI_BASE_URL": provider.url},
        "azure": {"AZURE_OPENAI_ENDPOINT": provider.root},
        "google": {"GOOGLE_GEMINI_BASE_URL": provider.root},
        "anthropic": {"ANTHROPIC_BASE_URL": provider.root},
    }[scheme]
    variable = {
        "openai": "OPENAI_API_KEY",
        "azure": "AZURE_OPENAI_API_KEY",
        "google": "GEMINI_API_KEY",
        "anthropic": "ANTHROPIC_API_KEY",
    }[scheme]
    key = {} if f"{variable}_FILE" in settings else {variable: KEY}
    return open_cloud_model(f"{scheme}:{model}", **where, **key, **settings)


def batch_api_of(model: CloudModel) -> BatchApi:
    assert model.batches is not None
    return model.batches


def prompt(words: str) -> Prompt:
    return Prompt(messages=[Message("user", words)])


def encode_lines(model: CloudModel, *words: str) -> list[bytes]:
    """Return a line for each of these prompts, with the ids `l-0`, `l-1` and so on."""
    batches = batch_api_of(model)
    return [batches.encode_line(f"l-{number}", model.body(prompt(each))) for number, each in enumerate(words)]


async def submit_batch(model: CloudModel, *words: str, name: str = "one") -> ProviderBatch:
    batches = batch_api_of(model)
    file = await batches.upload(name, encode_lines(model, *words))
    await batches.wait_until_ready(file)
    return await batches.submit(name, file)


async def wait_until_ended(model: CloudModel, batch: ProviderBatch) -> ProviderBatch:
    while batch.status == "running":
        batch = await batch_api_of(model).retrieve(batch.id)
        await asyncio.sleep(0)
    return batch


async def read_results(model: CloudModel, batch: ProviderBatch) -> dict[str, BatchItemResult]:
    found = [result async for result in batch_api_of(model).results(batch)]
    assert len({result.id for result in found}) == len(found)
    return {result.id: result for result in found}


async def run_batch(model: CloudModel, *words: str) -> dict[str, BatchItemResult]:
    """Run these prompts in a batch and return their results by id."""
    return await read_results(model, await wait_until_ended(model, await submit_batch(model, *words)))
