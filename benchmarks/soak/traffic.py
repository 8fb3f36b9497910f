"""Mixed load through the project's own client: all tasks, conversations, streams, repeats, and rubbish."""

import asyncio
import random
import time
from collections import Counter
from typing import Any

from carteiro.client import Carteiro, ReplyError
from carteiro.schemas import (
    REQUESTS,
    AnswerRequest,
    ChatMessage,
    ChatRequest,
    GenerateRequest,
    Options,
    Request,
    SentimentRequest,
    SummarizeRequest,
    TranslateRequest,
)

_WORDS = "the keeper counts ships of night and writes their names into a book while rain falls on glass".split()
_RUBBISH = (b"", b'{"prompt": ', b"[]", b'{"colour": 5}', b'{"text": "\xff"}', b'{"options": {"temperature": 9}}')
_CONVERSATIONS = 60
_STREAMED = {"generate", "translate", "chat"}


def _spoilt(kind: type[Request[Any]]) -> type[Request[Any]]:
    """The task's request with bytes of our choice as the record's value."""

    class Spoilt(kind):  # type: ignore[misc, valid-type]
        value: bytes

        def to_json(self) -> bytes:
            return self.value

    return Spoilt


_SPOILT = {task: _spoilt(kind) for task, kind in REQUESTS.items()}


class Meter:
    """What came of the calls that ended since it was last read."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._codes: Counter[str] = Counter()

    def note(self, code: str, seconds: float) -> None:
        """One call has ended; the time counts where it was `ok`."""
        self._codes[code] += 1
        if code == "ok":
            self._seconds.append(seconds)

    def read(self) -> tuple[list[float], dict[str, int]]:
        """The seconds of each `ok` call, in order, and how many ended with each code."""
        read = sorted(self._seconds), dict(self._codes)
        self._seconds, self._codes = [], Counter()
        return read


class Traffic:
    """Requests as they come, settled by the seed; what comes of them goes to the meter."""

    def __init__(self, carteiro: Carteiro, meter: Meter, seed: int) -> None:
        self._carteiro, self._meter, self._chance = carteiro, meter, random.Random(seed)
        self.asked = 0

    async def run(self, per_second: float, seconds: float) -> None:
        """Send for so long at that rate, and return when every call has ended."""
        loop = asyncio.get_running_loop()
        now = began = loop.time()
        async with asyncio.TaskGroup() as calls:
            while now < began + seconds:
                for delay, request, call in self._next():
                    self.asked += 1
                    calls.create_task(self._ask(delay, request, call))
                # Not at even intervals, which might fall in step with somebody's clock.
                now += self._chance.uniform(0.5, 1.5) / per_second
                await asyncio.sleep(now - loop.time())

    def _next(self) -> list[tuple[float, Request[Any], dict[str, Any]]]:
        """The next request, or one and its repetition: the seconds until it is sent, itself, and how it is called."""
        chance, task = self._chance, self._chance.choice(list(REQUESTS))
        kind = chance.random()
        if kind < 0.03:
            return [(0.0, _SPOILT[task].model_construct(value=chance.choice(_RUBBISH)), {})]
        if kind < 0.06:
            name = f"{chance.getrandbits(64):x}"
            call = {"key": name.encode(), "idempotency_key": name}
            request = self._request(task, Options(), conversations=False)
            return [(0.0, request, call), (chance.uniform(0.0, 10.0), request, call)]
        if kind < 0.10:
            return [(0.0, self._request(task, Options(), conversations=False), {"timeout": 20.0})]
        options = Options(stream=task in _STREAMED and kind < 0.25, cache=kind > 0.95)
        return [(0.0, self._request(task, options, conversations=not options.cache), {})]

    def _request(self, task: str, options: Options, *, conversations: bool) -> Request[Any]:
        match task:
            case "generate":
                return GenerateRequest(prompt=self._text(options), options=options)
            case "translate":
                return TranslateRequest(text=self._text(options), target="pt", options=options)
            case "chat":
                name = f"guest-{self._chance.randrange(_CONVERSATIONS)}"
                going_on = conversations and self._chance.random() < 0.5
                messages = [ChatMessage(role="user", content=self._text(options))]
                return ChatRequest(messages=messages, options=options, conversation_id=name if going_on else None)
            case "sentiment":
                return SentimentRequest(text=self._text(options), options=options)
            case "answer":
                return AnswerRequest(question="Who counts the ships?", context=self._text(options), options=options)
        return SummarizeRequest(text=self._text(options), options=options)

    def _text(self, options: Options) -> str:
        """Mostly a paragraph or a few, now and then a document; where replies are kept, one of a few texts."""
        if options.cache:
            return f"{self._chance.randrange(20)} {' '.join(_WORDS)}"
        words = 4_000 if self._chance.random() < 0.01 else self._chance.randint(10, 300)
        return " ".join(self._chance.choices(_WORDS, k=words))

    async def _ask(self, delay: float, request: Request[Any], call: dict[str, Any]) -> None:
        await asyncio.sleep(delay)
        began = time.perf_counter()
        asking = self._carteiro.ask(request, **call)
        try:
            if request.options.stream:
                async for _ in asking:
                    pass
            else:
                await asking
            code = "ok"
        except ReplyError as error:
            code = error.code
        except Exception as error:  # noqa: BLE001
            # Whatever ends a call, the run goes on and shows it.
            code = type(error).__name__
        self._meter.note(code, time.perf_counter() - began)
