"""A provider of batches in memory, and a service that can be killed at any step of its work with it."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from carteiro.models.cloud.batches.interface import Batch, LineResult
from carteiro.models.failures import Misconfigured, Unavailable
from carteiro.models.interface import Completion, Prompt
from carteiro.schemas import Usage


class Killed(BaseException):
    """The process is gone, at this very step."""


class Steps:
    """Counts the steps that reach the world outside, and kills the service before or after one of them."""

    def __init__(self, kills: Sequence[tuple[int, bool]] = ()) -> None:
        """`kills` are the steps, counted from when the process began, with which it ends, and whether after them."""
        self._kills = iter(kills)
        self._next = next(self._kills, None)
        self.count = 0
        self.killed = asyncio.Event()

    def begin(self) -> None:
        """The process runs again, and counts from 0."""
        self.killed.clear()
        self.count = 0

    async def take(self, effect: Callable[[], Any]) -> Any:
        """Do something outside. What runs in a killed process does nothing more."""
        await asyncio.sleep(0)
        if self.killed.is_set():
            await asyncio.Event().wait()
        self.count += 1
        due = self._next is not None and self.count == self._next[0]
        after = due and self._next is not None and self._next[1]
        if not due or after:
            result = effect()
        if due:
            self._next = next(self._kills, None)
            self.killed.set()
            await asyncio.Event().wait()
        return result


class Post:
    """Does every line of a batch once, when it has been looked at so many times; counts what it was paid for."""

    most_bytes = 10_000

    def __init__(self, steps: Steps, *, looks: int = 2) -> None:
        self.steps, self._looks = steps, looks
        self.files: dict[str, tuple[str, list[bytes]]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.paid: Counter[str] = Counter()
        self.fate: dict[int, str] = {}
        """How the batch of that number ends, where not completed."""
        self.holes: set[str] = set()
        """Words of prompts that get no result the first time."""
        self.refused: dict[str, bool] = {}
        """Words of prompts that are turned down the first time, by a key that does not hold."""
        self.most_at_once = 10**9
        """Lines of a batch for which there is room."""
        self.trouble: dict[str, list[Exception]] = {}
        """What the next calls of a method raise; `submit` does its work before it raises `Unavailable`."""
        self.found = 0
        """How often it was looked for a batch."""
        self._ids = itertools.count(1)

    def _trouble(self, method: str) -> None:
        if self.trouble.get(method) and not (method == "submit" and isinstance(self.trouble[method][0], Unavailable)):
            raise self.trouble[method].pop(0)

    def line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        return json.dumps({"id": id, "body": body}).encode() + b"\n"

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        def effect() -> str:
            file = f"file-{next(self._ids)}"
            self.files[file] = (name, list(lines))
            return file

        return str(await self.steps.take(effect))

    async def ready(self, file: str) -> None:
        await self.steps.take(lambda: None)

    async def submit(self, name: str, file: str) -> Batch:
        def effect() -> Batch:
            self._trouble("submit")
            number = len(self.batches) + 1
            self.batches[f"batch-{number}"] = {
                "name": name,
                "file": file,
                "lines": self.files[file][1],
                "looks": 0,
                "number": number,
            }
            if self.trouble.get("submit"):
                raise self.trouble["submit"].pop(0)
            return self._described(f"batch-{number}")

        return await self.steps.take(effect)  # type: ignore[no-any-return]

    async def find(self, name: str, file: str) -> list[Batch]:
        def effect() -> list[Batch]:
            self.found += 1
            self._trouble("find")
            return [self._described(id) for id, batch in self.batches.items() if batch["name"] == name]  # noqa: A001

        return await self.steps.take(effect)  # type: ignore[no-any-return]

    async def look(self, id: str) -> Batch:  # noqa: A002
        def effect() -> Batch:
            self.batches[id]["looks"] += 1
            return self._described(id)

        return await self.steps.take(effect)  # type: ignore[no-any-return]

    async def results(self, batch: Batch) -> AsyncIterator[LineResult]:
        lines = await self.steps.take(lambda: [json.loads(line) for line in self._done(batch.id)])
        for line in reversed(lines):
            words = line["body"]["words"]
            if self.refused.pop(words, None):
                yield LineResult(line["id"], failure=Misconfigured("the key was turned down"))
            else:
                yield LineResult(line["id"], answer=words.upper())

    async def cancel(self, id: str) -> None:  # noqa: A002
        def effect() -> None:
            if self._status(id) == "running":
                self.batches[id]["cancelled"] = True

        await self.steps.take(effect)

    async def delete(self, file: str) -> None:
        await self.steps.take(lambda: self.files.pop(file, None))

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        def effect() -> list[tuple[str, str]]:
            return [(file, name) for file, (name, _) in self.files.items() if name.startswith(prefix)]

        return await self.steps.take(effect)  # type: ignore[no-any-return]

    def settle(self) -> None:
        """Time goes by: what was submitted is done, whether anybody looks or not."""
        for id, batch in self.batches.items():  # noqa: A001
            batch["looks"] = max(batch["looks"], self._looks)
            self._described(id)

    def _status(self, id: str) -> str:  # noqa: A002
        batch = self.batches[id]
        if batch.get("cancelled"):
            return "cancelled"
        if batch["looks"] < self._looks:
            return "running"
        if len(batch["lines"]) > self.most_at_once:
            return "no room"
        return self.fate.get(batch["number"], "completed")

    def _described(self, id: str) -> Batch:  # noqa: A002
        batch, status = self.batches[id], self._status(id)
        if status == "completed" and not batch.get("done"):
            batch["done"] = [line for line in batch["lines"] if not any(hole in line.decode() for hole in self.holes)]
            self.holes.clear()
            self.paid.update(json.loads(line)["body"]["words"] for line in batch["done"])
        code = "token_limit_exceeded" if status == "no room" else None
        shown: Any = "failed" if status == "no room" else status
        return Batch(id, batch["name"], batch["file"], shown, (), problem=None, code=code)

    def _done(self, id: str) -> list[bytes]:  # noqa: A002
        return list(self.batches[id].get("done", []))


class PostModel:
    """A model whose prompts are words, which it says louder."""

    name = "openai:loud"

    def __init__(self, post: Post) -> None:
        self.batches = _Files(post)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        return {"words": prompt.messages[0].content}

    def completion(self, answer: Any, prompt: Prompt) -> Completion:
        if answer == "BROKEN":
            raise Unavailable("that is no completion")
        return Completion(answer, "stop", Usage(input_tokens=1, output_tokens=1))


class _Files:
    """The post as the interface names it: `files` is a method there."""

    def __init__(self, post: Post) -> None:
        self._post = post

    def __getattr__(self, name: str) -> Any:
        return self._post.list_files if name == "files" else getattr(self._post, name)
