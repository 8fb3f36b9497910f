"""Batches of a provider without files and names: the next worker finds a batch, or does its prompts in another one."""

import asyncio
import time

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.worker.batch_api.accumulator import BatchSettings
from carteiro.worker.batch_api.partition_batcher import PartitionBatcher
from tests.conftest import eventually
from tests.provider import Provider
from tests.unit.models.cloud.batch_api.batch_calls import open_model, prompt
from tests.unit.worker.batch_api.fake_publisher import FakePublisher

SETTINGS = BatchSettings(
    safety_margin=2.0, linger=0.01, poll_interval=0.01, max_items=10, listing_delay=0.05, replay=0.05
)


@pytest.mark.parametrize("crash", ["before the submission", "before its answer", "while it runs"])
async def test_crash_of_the_worker_loses_no_prompt_and_pays_it_once(crash: str) -> None:
    stored: dict[bytes, bytes] = {}

    def open_batcher(model: CloudModel) -> PartitionBatcher:
        batcher = PartitionBatcher("generate", {model.name: model}, FakePublisher(stored), SETTINGS)
        batcher.open(stored)
        return batcher

    async with Provider() as provider:
        provider.batches.hold()
        if crash == "before the submission":
            provider.batches.refuse("submit", 429, times=1000)
        elif crash == "before its answer":
            provider.batches.lose_responses("submit")
        first, second = open_model(provider, "anthropic"), open_model(provider, "anthropic")
        batcher = open_batcher(first)
        call = asyncio.create_task(batcher.complete(first.name, prompt("one"), 7, time.monotonic() + 60))
        await eventually(lambda: provider.batches.of("look" if crash == "while it runs" else "submit"))
        await asyncio.gather(batcher.close(), first.close())
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

        provider.batches.forget()
        provider.batches.release()
        batcher = open_batcher(second)
        call = asyncio.create_task(batcher.complete(second.name, prompt("one"), 7, time.monotonic() + 60))
        if crash == "before its answer":
            # Nobody reads the status of a batch that is not known, so the provider's work has to go on by itself.
            (created,) = provider.batches.created
            await eventually(lambda: provider.batches.of("list"))
            for _ in range(2):
                await provider.batches._advance(created)
        _, done = await call
        await asyncio.gather(batcher.close(), second.close())
    assert done.text == "one"
    assert provider.batches.paid == {"one": 1}
