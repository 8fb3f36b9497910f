"""A model of each provider, and how a test gets a batch done."""

import asyncio

from carteiro.models.cloud.batches.interface import Batch, Batches, LineResult
from carteiro.models.cloud.client import CloudModel
from carteiro.models.interface import Message, Prompt
from tests.provider import Provider
from tests.unit.models.cloud.asking import KEY, opened

PROVIDERS = ("openai", "azure", "google")


def open_at(provider: Provider, kind: str, model: str = "echo", **settings: str) -> CloudModel:
    """A model of this kind, whose provider is the local one."""
    where = {
        "openai": {"OPENAI_BASE_URL": provider.url},
        "azure": {"AZURE_OPENAI_ENDPOINT": provider.root},
        "google": {"GOOGLE_GEMINI_BASE_URL": provider.root},
    }[kind]
    variable = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY", "google": "GEMINI_API_KEY"}[kind]
    key = {} if f"{variable}_FILE" in settings else {variable: KEY}
    return opened(f"{kind}:{model}", **where, **key, **settings)


def batches_of(model: CloudModel) -> Batches:
    assert model.batches is not None
    return model.batches


def prompt(words: str) -> Prompt:
    return Prompt(messages=[Message("user", words)])


def lines(model: CloudModel, *words: str) -> list[bytes]:
    """A line for each of these prompts, with the ids `l-0`, `l-1` and so on."""
    batches = batches_of(model)
    return [batches.line(f"l-{number}", model.body(prompt(each))) for number, each in enumerate(words)]


async def submitted(model: CloudModel, *words: str, name: str = "one") -> Batch:
    batches = batches_of(model)
    file = await batches.upload(name, lines(model, *words))
    await batches.ready(file)
    return await batches.submit(name, file)


async def ended(model: CloudModel, batch: Batch) -> Batch:
    while batch.status == "running":
        batch = await batches_of(model).look(batch.id)
        await asyncio.sleep(0)
    return batch


async def results(model: CloudModel, batch: Batch) -> dict[str, LineResult]:
    found = [result async for result in batches_of(model).results(batch)]
    assert len({result.id for result in found}) == len(found)
    return {result.id: result for result in found}


async def done(model: CloudModel, *words: str) -> dict[str, LineResult]:
    """What becomes of these prompts."""
    return await results(model, await ended(model, await submitted(model, *words)))
