import asyncio
import itertools
import time
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carteiro.models.failures import InvalidPrompt, Misconfigured, RateLimited, Unavailable
from carteiro.models.interface import Message, Prompt
from carteiro.worker.waiting import batch_run, office
from carteiro.worker.waiting.gathering import Rules
from carteiro.worker.waiting.office import Office, TimeIsUp
from tests.unit.worker.waiting.post import Post, PostModel, Steps

RULES = Rules(margin=1.0, gather=0.002, poll=0.001, most=4)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_SETTLE_SECONDS", 0.003)
    monkeypatch.setattr(batch_run, "_ASK_SECONDS", 0.002)
    monkeypatch.setattr(batch_run, "_REPLAY_SECONDS", 0.05)
    monkeypatch.setattr(office, "_FIRST_PAUSE", 0.001)


def prompt(words: str) -> Prompt:
    return Prompt(messages=[Message("user", words)])


def office_of(post: Post, kept: dict[bytes, bytes]) -> Office:
    """An open office whose requests are never answered."""

    async def publish(key: bytes, value: bytes | None) -> None:
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value

    place = Office("generate", {"openai:loud": PostModel(post)}, publish, lambda _: False, RULES)
    place.open(kept)
    return place


class Service:
    """Requests that wait in a topic, and an office for them; what is kept outlives the process, nothing else does."""

    def __init__(self, requests: Sequence[Sequence[str]], post: Post) -> None:
        self.requests, self.post = requests, post
        self.kept: dict[bytes, bytes] = {}
        self.replies: dict[int, list[str]] = {}

    async def run(self, *, within: float = 60.0) -> bool:
        """Serve until all is answered and cleared away; returns False where the process was killed before."""
        self.post.steps.begin()

        async def publish(key: bytes, value: bytes | None) -> None:
            def effect() -> None:
                if value is None:
                    self.kept.pop(key, None)
                else:
                    self.kept[key] = value

            await self.post.steps.take(effect)

        place = Office("generate", {"openai:loud": PostModel(self.post)}, publish, self.replies.__contains__, RULES)
        place.open(self.kept)
        until = time.time() + within
        asked = [
            asyncio.create_task(self._serve(place, offset, until))
            for offset in range(len(self.requests))
            if offset not in self.replies
        ]
        ended = asyncio.create_task(self._ended(asked))
        killed = asyncio.create_task(self.post.steps.killed.wait())
        try:
            async with asyncio.timeout(20):
                await asyncio.wait([ended, killed], return_when=asyncio.FIRST_COMPLETED)
            done = ended.done()
            if done:
                ended.result()
            return done
        finally:
            # Where this is cancelled the process is killed: nothing of it may run on beside the next one.
            for task in (*asked, ended, killed):
                task.cancel()
            await asyncio.gather(*asked, ended, killed, return_exceptions=True)
            await place.close()

    async def _serve(self, place: Office, offset: int, until: float) -> None:
        said = []
        for step in self.requests[offset]:
            # The second step rests on the first one's completion, as in a summary of summaries.
            words = f"{step} {said[-1]}" if said else step
            _, completion = await place.complete("openai:loud", prompt(words), offset, until)
            said.append(completion.text)
        await self.post.steps.take(lambda: self.replies.setdefault(offset, said))

    async def _ended(self, asked: list["asyncio.Task[None]"]) -> None:
        await asyncio.gather(*asked)
        while set(self.kept) - {b"office"} or self.post.files:
            await asyncio.sleep(0.001)


def serve(requests: Sequence[Sequence[str]], kills: Sequence[tuple[int, bool]] = ()) -> Service:
    async def run() -> Service:
        service = Service(requests, Post(Steps(kills)))
        while not await service.run():
            pass
        service.post.settle()
        return service

    return asyncio.run(run())


TWO_STEPS = [["a", "again"], ["b"], ["c"], ["d"], ["e"], ["f", "again"]]


def test_prompts_go_into_batches_of_their_most() -> None:
    service = serve([[word] for word in "abcdefghij"])
    assert service.replies == {offset: [word.upper()] for offset, word in enumerate("abcdefghij")}
    assert len(service.post.batches) == 3
    assert not service.post.files


def test_every_step_can_be_the_last_one() -> None:
    whole = serve(TWO_STEPS)
    assert whole.replies[0] == ["A", "AGAIN A"]
    for step, after in itertools.product(range(1, whole.post.steps.count + 1), (False, True)):
        service = serve(TWO_STEPS, [(step, after)])
        assert service.replies == whole.replies
        assert service.post.paid == whole.post.paid, (step, after)
        assert max(service.post.paid.values()) == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(1, 25), st.booleans()), max_size=6))
def test_no_series_of_kills_loses_a_request_or_pays_one_twice(kills: list[tuple[int, bool]]) -> None:
    service = serve(TWO_STEPS, kills)
    assert len(service.replies) == len(TWO_STEPS)
    assert max(service.post.paid.values()) == 1
    assert not service.post.files


async def one(post: Post, *, requests: Sequence[Sequence[str]] = (("a",), ("b",)), within: float = 60.0) -> Service:
    service = Service(requests, post)
    assert await service.run(within=within)
    return service


@pytest.mark.parametrize("fate", ["failed", "expired", "cancelled"])
async def test_what_a_batch_leaves_over_goes_into_another(fate: str) -> None:
    post = Post(Steps())
    post.fate[1] = fate
    service = await one(post)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(post.batches) == 2


async def test_a_hole_is_sent_again_and_what_is_there_is_not() -> None:
    post = Post(Steps())
    post.holes.add('"b"')
    service = await one(post)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert post.paid == {"a": 1, "b": 1}


async def test_a_batch_without_room_is_submitted_again_with_the_same_file() -> None:
    post = Post(Steps())
    post.fate[1] = post.fate[2] = "no room"
    service = await one(post)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(post.batches) == 3
    assert len({batch["file"] for batch in post.batches.values()}) == 1


@pytest.mark.parametrize("trouble", [RateLimited("the list says no", 1), Misconfigured("the key"), Unavailable("away")])
async def test_a_list_that_cannot_be_had_says_nothing_of_a_batch(trouble: Exception) -> None:
    """The answer to the submission is lost, then the list fails: the batch runs, and must not be submitted again."""
    post = Post(Steps())
    post.trouble = {"submit": [Unavailable("lost")], "find": [trouble] * 6}
    service = await one(post)
    assert service.replies == {0: ["A"], 1: ["B"]}
    assert len(post.batches) == 1


async def test_a_provider_that_is_down_is_asked_with_growing_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_ASK_SECONDS", 0.05)
    post = Post(Steps())
    post.trouble = {"submit": [Unavailable("lost")], "find": [Unavailable("away")] * 10_000}
    running = asyncio.create_task(Service([["a"]], post).run())
    await asyncio.wait([running], timeout=0.5)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert 0 < post.found < 20


async def test_a_batch_that_was_given_up_is_not_submitted_later() -> None:
    """Its requests went on in another; a restart must not pay for both."""
    post = Post(Steps(), looks=50)
    post.trouble = {"submit": [InvalidPrompt("the file is not to our liking")]}
    service = Service([["a"]], post)
    first = asyncio.create_task(service.run())
    async with asyncio.timeout(10):
        while not post.batches:
            await asyncio.sleep(0.001)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert await service.run()
    post.settle()
    assert post.paid == {"a": 1}


async def test_a_batch_that_nobody_waits_for_is_cancelled() -> None:
    """As after a stop that was longer than the promises: its requests are done live, and not paid twice."""
    post = Post(Steps(), looks=10**9)
    kept: dict[bytes, bytes] = {}

    place = office_of(post, kept)
    asked = asyncio.create_task(place.complete("openai:loud", prompt("a"), 0, time.time() + 60))
    async with asyncio.timeout(10):
        while not post.batches:
            await asyncio.sleep(0.001)
    asked.cancel()
    await place.close()
    place.open(kept)
    async with asyncio.timeout(10):
        while not post.batches["batch-1"].get("cancelled"):
            await asyncio.sleep(0.001)
    await place.close()


async def test_batches_are_made_smaller_where_they_never_fit() -> None:
    post = Post(Steps())
    post.most_at_once = 2
    service = await one(post, requests=[["a"], ["b"], ["c"], ["d"]])
    assert service.replies == {0: ["A"], 1: ["B"], 2: ["C"], 3: ["D"]}
    assert post.paid == {"a": 1, "b": 1, "c": 1, "d": 1}


async def test_a_line_that_a_key_was_turned_down_for_is_sent_again() -> None:
    post = Post(Steps())
    post.refused["a"] = True
    service = await one(post)
    assert service.replies == {0: ["A"], 1: ["B"]}


async def test_a_closed_office_breaks_no_promise() -> None:
    place = Office("generate", {"openai:loud": PostModel(Post(Steps()))}, _nowhere, lambda _: False, RULES)
    with pytest.raises(TimeIsUp):
        await place.complete("openai:loud", prompt("a"), 0, time.time() + 0.6)


async def test_a_prompt_that_no_batch_completes_goes_live() -> None:
    post = Post(Steps())
    post.fate = dict.fromkeys(range(1, 20), "failed")
    with pytest.raises(TimeIsUp):
        await one(post)
    assert len(post.batches) == 3


async def test_a_batch_is_cut_short_before_a_promise_is_broken() -> None:
    post = Post(Steps(), looks=10**9)
    with pytest.raises(TimeIsUp):
        await one(post, within=1.2)
    assert post.batches["batch-1"]["cancelled"]
    assert not post.paid


async def test_without_time_for_a_batch_nothing_is_uploaded() -> None:
    post = Post(Steps())
    with pytest.raises(TimeIsUp):
        await one(post, within=0.5)
    assert not post.batches


async def test_a_prompt_that_comes_twice_in_a_request_is_one_line() -> None:
    post = Post(Steps())
    place = Office("generate", {"openai:loud": PostModel(post)}, _nowhere, lambda _: False, RULES)
    place.open({})
    twice = [place.complete("openai:loud", prompt("a"), 0, time.time() + 60) for _ in range(2)]
    assert [each.text for _, each in await asyncio.gather(*twice)] == ["A", "A"]
    assert post.paid == {"a": 1}
    await place.close()


async def test_requests_outlive_an_office_that_is_opened_anew() -> None:
    post = Post(Steps(), looks=50)
    kept: dict[bytes, bytes] = {}

    place = office_of(post, kept)
    asked = asyncio.create_task(place.complete("openai:loud", prompt("a"), 0, time.time() + 60))
    async with asyncio.timeout(10):
        while not post.batches:
            await asyncio.sleep(0.001)
        await place.close()
        place.open(kept)
        assert (await asked)[1].text == "A"
    assert post.paid == {"a": 1}
    await place.close()


async def test_nothing_is_submitted_while_it_cannot_be_written_down() -> None:
    """As where another worker has the partition by now: its transactions fence this one's off."""
    post = Post(Steps())
    writing = asyncio.Event()

    async def publish(key: bytes, value: bytes | None) -> None:
        if key != b"office":
            writing.set()
            await asyncio.Event().wait()

    place = Office("generate", {"openai:loud": PostModel(post)}, publish, lambda _: False, RULES)
    place.open({})
    asked = asyncio.create_task(place.complete("openai:loud", prompt("a"), 0, time.time() + 60))
    async with asyncio.timeout(10):
        await writing.wait()
    for _ in range(100):
        await asyncio.sleep(0)
    assert post.files
    assert not post.batches
    await place.close()
    asked.cancel()


async def _nowhere(key: bytes, value: bytes | None) -> None:
    pass
