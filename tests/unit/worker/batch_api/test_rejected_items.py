"""Batch items that the provider rejects for an option of ours, or whose token limit cut the thinking."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.cloud.endpoint import BatchAddress
from carteiro.models.errors import Unsupported
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage
from carteiro.worker.batch_api.partition_batcher import DeadlineNear, PartitionBatcher
from tests.provider import Provider
from tests.provider.batches import BatchEndpoints
from tests.provider.completions import completion
from tests.unit.models.cloud.cloud_models import endpoint
from tests.unit.models.cloud.strict_server import Json, Rule, error, formats, only_temperature_1
from tests.unit.worker.batch_api.fake_publisher import FakePublisher
from tests.unit.worker.batch_api.killable_worker import SETTINGS

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
PROMPT = Prompt(messages=[Message("user", "one two three")])
WITH_SCHEMA = replace(PROMPT, json_schema=SCHEMA)
WITH_TOKEN_LIMIT = replace(PROMPT, max_output_tokens=96, service_options=frozenset({"max_output_tokens"}))


class RejectingProvider(Provider):
    """Provider that completes each item that no rule rejects. With a token limit its completion is only thinking."""

    def __init__(self) -> None:
        super().__init__()
        self.batches = BatchEndpoints(self._process_line)
        self.rejection_rules: list[Rule] = []
        self.request_bodies: list[Json] = []

    async def _process_line(self, body: Json) -> tuple[int, Any]:
        self.request_bodies.append(body)
        for rule in self.rejection_rules:
            if refusal := rule(body):
                return refusal
        if limit := body.get("max_tokens"):
            return 200, completion(body, "", "length", 10, limit)
        return 200, completion(body, "fine", "stop", 10, 200)


@pytest.fixture
async def server() -> AsyncIterator[RejectingProvider]:
    async with RejectingProvider() as server:
        yield server


@pytest.fixture
async def complete(server: RejectingProvider) -> AsyncIterator[Callable[..., Any]]:
    """Return `complete(prompt)` of a worker's batcher. With `again` it is the batcher of a restarted worker."""
    stored: dict[bytes, bytes] = {}
    opened: list[tuple[CloudModel, PartitionBatcher]] = []

    async def call(prompt: Prompt, offset: int = 0, *, again: bool = False) -> Completion:
        if again or not opened:
            for _, batcher in opened:
                await batcher.close()
            where = endpoint(server.url, batches=BatchAddress(url=server.url), completion_limit="max_tokens")
            model = CloudModel("openai:echo", where, timeout=30)
            batcher = PartitionBatcher("generate", {model.name: model}, FakePublisher(stored), SETTINGS)
            batcher.open(stored)
            opened.append((model, batcher))
        model, batcher = opened[-1]
        paid: list[Usage] = []
        _, completion = await batcher.complete(
            model.name, prompt, offset, time.monotonic() + 60, lambda _, usage: paid.append(usage)
        )
        return replace(completion, usage=sum([completion.usage, *paid], Usage()))

    yield call
    for model, batcher in opened:
        await batcher.close()
        await model.close()


def response_formats(server: RejectingProvider) -> list[str | None]:
    return [body.get("response_format", {}).get("type") for body in server.request_bodies]


async def test_item_rejected_for_its_format_goes_into_another_batch_in_an_accepted_format(server, complete):
    server.rejection_rules = [formats("json_object")]
    assert (await complete(WITH_SCHEMA)).text == "fine"
    assert (await complete(WITH_SCHEMA, 1)).text == "fine"
    assert response_formats(server) == ["json_schema", "json_object", "json_object"]
    assert not server.requests, "no live call"


async def test_item_rejected_without_a_hint_falls_back_to_a_live_call(server, complete):
    server.rejection_rules = [lambda body: error("Bad Request") if "response_format" in body else None]
    with pytest.raises(DeadlineNear):
        await complete(WITH_SCHEMA)
    assert response_formats(server) == ["json_schema"]


async def test_item_rejected_for_the_callers_option_is_unsupported(server, complete):
    server.rejection_rules = [only_temperature_1]
    with pytest.raises(Unsupported, match="Only the default"):
        await complete(replace(PROMPT, temperature=0.2))
    assert len(server.request_bodies) == 1


async def test_services_limit_that_cuts_thinking_is_left_out_of_the_next_batch(server, complete):
    done = await complete(WITH_TOKEN_LIMIT)
    assert (done.text, done.usage.output_tokens) == ("fine", 96 + 200)
    assert (await complete(WITH_TOKEN_LIMIT, 1)).usage.output_tokens == 200
    assert [body.get("max_tokens") for body in server.request_bodies] == [96, None, None]


async def test_callers_limit_that_cuts_thinking_is_called_once(server, complete):
    done = await complete(replace(PROMPT, max_output_tokens=96))
    assert (done.text, done.finish_reason, len(server.request_bodies)) == ("", "length", 1)


async def test_paid_result_is_found_by_a_restarted_worker(server, complete):
    server.rejection_rules = [formats("json_object")]
    await complete(WITH_SCHEMA)
    await complete(WITH_SCHEMA, 1)
    assert (await complete(WITH_SCHEMA, 1, again=True)).text == "fine"
    assert response_formats(server) == ["json_schema", "json_object", "json_object"]
