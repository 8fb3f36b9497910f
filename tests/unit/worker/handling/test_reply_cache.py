"""The cache of replies to equal requests: in memory, and in a real Redis that workers share."""

import asyncio

import pytest
from redis.asyncio import Redis

from carteiro.schemas import OkReply, Options, Timing, Usage
from carteiro.schemas.answer import AnswerRequest
from carteiro.schemas.attachment import Attachment
from carteiro.schemas.collection import Passage
from carteiro.schemas.generate import GenerateRequest, GenerateResult
from carteiro.worker.handling.redis_cache import RedisCache
from carteiro.worker.handling.reply_cache import ReplyCache, cache_key
from tests import media
from tests.conftest import eventually_true

REQUEST = GenerateRequest(prompt="Why?")
MODELS = ["openai:x"]


class CountingReplies:
    """Model that counts its calls and answers once it is released."""

    def __init__(self):
        self.calls, self.go = 0, asyncio.Event()
        self.go.set()
        self.failure = None

    async def __call__(self):
        self.calls += 1
        await self.go.wait()
        if self.failure:
            raise self.failure
        return OkReply[GenerateResult](
            task="generate",
            request_id=f"t/0/{self.calls}",
            result=GenerateResult(text=f"Because {self.calls}."),
            model="openai:x",
            usage=Usage(input_tokens=2, output_tokens=3, cost_usd=0.5),
            timing=Timing(queue_ms=0, work_ms=1),
        )


@pytest.fixture
async def shared(redis_url):
    """Return a function that makes caches of workers that share a Redis."""
    redis = Redis.from_url(redis_url)

    async def answers():
        try:
            return await redis.ping()
        except OSError:
            return False
        except Exception as error:
            if "Connection" in type(error).__name__:
                return False
            raise

    await eventually_true(answers)
    await redis.flushall()
    made = []

    def make(claim_seconds=60.0):
        made.append(ReplyCache(60, RedisCache(redis_url, 60, claim_seconds)))
        return made[-1]

    yield make
    for cache in made:
        await cache.close()
    await redis.aclose()


async def test_equal_request_costs_no_call():
    cache, model = ReplyCache(60), CountingReplies()
    first, cached = await cache.get_or_compute(REQUEST, MODELS, model)
    assert (cached, first.cached, first.usage.output_tokens) == (False, False, 3)
    second, cached = await cache.get_or_compute(GenerateRequest(prompt="Why?"), MODELS, model)
    assert (cached, second.cached, second.usage) == (True, True, Usage())
    assert second.result == first.result
    assert model.calls == 1


def test_options_of_the_price_are_not_in_the_key() -> None:
    options = Options(service_tier="flex", prompt_cache_key="k")
    assert cache_key(REQUEST.model_copy(update={"options": options}), MODELS) == cache_key(REQUEST, MODELS)


@pytest.mark.parametrize(
    ("request_", "models"),
    [
        (GenerateRequest(prompt="Why not?"), MODELS),
        (GenerateRequest(prompt="Why?", system="Be brief."), MODELS),
        (GenerateRequest(prompt="Why?", options={"seed": 1}), MODELS),
        (REQUEST, ["openai:y"]),
    ],
)
def test_everything_that_a_reply_depends_on_is_in_the_key(request_, models):
    assert cache_key(request_, models) != cache_key(REQUEST, MODELS)


@pytest.mark.parametrize("far", [False, True])
async def test_stampede_makes_one_call(shared, far):
    caches = [shared() for _ in range(4)] if far else [ReplyCache(60)] * 4
    model = CountingReplies()
    model.go.clear()
    asking = [asyncio.create_task(caches[each % 4].get_or_compute(REQUEST, MODELS, model)) for each in range(40)]
    await eventually_true(lambda: _true(model.calls == 1))
    model.go.set()
    replies = await asyncio.gather(*asking)
    assert model.calls == 1
    assert sum(not cached for _, cached in replies) == 1
    assert {reply.result.text for reply, _ in replies} == {"Because 1."}
    assert sum(reply.usage.cost_usd or 0 for reply, _ in replies) == 0.5


async def _true(value):
    return value


@pytest.mark.parametrize("far", [False, True])
async def test_failure_is_not_cached(shared, far):
    cache, model = shared() if far else ReplyCache(60), CountingReplies()
    model.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await cache.get_or_compute(REQUEST, MODELS, model)
    model.failure = None
    assert (await cache.get_or_compute(REQUEST, MODELS, model))[1] is False
    assert model.calls == 2


async def test_other_worker_gets_the_cached_reply(shared):
    model = CountingReplies()
    await shared().get_or_compute(REQUEST, MODELS, model)
    reply, cached = await shared().get_or_compute(REQUEST, MODELS, model)
    assert (cached, reply.cached, reply.usage, model.calls) == (True, True, Usage(), 1)


async def test_deferral_request_takes_over_if_the_first_is_cancelled(shared):
    one, two, model = shared(), shared(), CountingReplies()
    model.go.clear()
    first = asyncio.create_task(one.get_or_compute(REQUEST, MODELS, model))
    await eventually_true(lambda: _true(model.calls == 1))
    second = asyncio.create_task(two.get_or_compute(REQUEST, MODELS, model))
    first.cancel()
    await eventually_true(lambda: _true(model.calls == 2))
    model.go.set()
    assert (await second)[1] is False


async def test_dead_worker_does_not_block_others_forever(shared, redis_url):
    redis = Redis.from_url(redis_url)
    cache = RedisCache(redis_url, 60, 0.2)
    await cache.lock(cache_key(REQUEST, MODELS))
    await cache.close()
    assert (await shared().get_or_compute(REQUEST, MODELS, CountingReplies()))[1] is False
    await redis.aclose()


async def test_requests_are_answered_without_redis():
    cache, model = ReplyCache(60, RedisCache("redis://127.0.0.1:1", 60, 60)), CountingReplies()
    assert (await cache.get_or_compute(REQUEST, MODELS, model))[0].result.text == "Because 1."
    await cache.close()


async def test_invalid_cache_entry_is_ignored(shared, redis_url):
    redis = Redis.from_url(redis_url)
    await redis.set(f"carteiro:reply:{cache_key(REQUEST, MODELS).hex()}", b'{"status": "error"}')
    assert (await shared().get_or_compute(REQUEST, MODELS, CountingReplies()))[1] is False
    await redis.aclose()


def test_other_passages_are_another_request():
    request = AnswerRequest(question="How long?", collection="docs")
    keys = {
        cache_key(request.with_passages(passages), ["m"])
        for passages in ((), (Passage("a", "30 days"),), (Passage("a", "14 days"),))
    }
    assert len(keys) == 3
    assert cache_key(request.with_passages((Passage("a", "30 days"),)), ["m"]) in keys


def test_other_content_at_the_same_address_is_another_request():
    image = Attachment(uri="s3://a/b.png")
    keys = {
        cache_key(GenerateRequest(prompt="Why?", attachments=[each]), MODELS)
        for each in (image.with_content(media.PNG), image.with_content(media.png(3)), image.with_content(media.PNG))
    }
    assert len(keys) == 2
