"""A batch provider in memory, and faults that kill a service at any step of its work with it."""

import asyncio
import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from carteiro.models.cloud.batch_api.interface import BatchItemResult, ProviderBatch, RetryMode
from carteiro.models.errors import InvalidPrompt, Misconfigured, Unavailable
from carteiro.models.prompt import Prompt
from carteiro.models.results import Completion
from carteiro.schemas import Usage


class ProcessKilled(BaseException):
    """The process ended at exactly this step."""


class CrashInjector:
    """Counter of the steps with an external effect. It kills the service before or after one of them."""

    def __init__(self, crash_points: Sequence[tuple[int, bool]] = ()) -> None:
        """Take the steps at which the process is killed, counted from its start, and True for a kill after the step."""
        self._crash_points = iter(crash_points)
        self._next_crash = next(self._crash_points, None)
        self.count = 0
        self.killed = asyncio.Event()

    def restart(self) -> None:
        """Start the process again, and count from 0."""
        self.killed.clear()
        self.count = 0

    async def run_step(self, effect: Callable[[], Any]) -> Any:
        """Run a step with an external effect. In a killed process nothing runs any more."""
        await asyncio.sleep(0)
        if self.killed.is_set():
            await asyncio.Event().wait()
        self.count += 1
        due = self._next_crash is not None and self.count == self._next_crash[0]
        after = due and self._next_crash is not None and self._next_crash[1]
        if not due or after:
            result = effect()
        if due:
            self._next_crash = next(self._crash_points, None)
            self.killed.set()
            await asyncio.Event().wait()
        return result


class FakeBatchApi:
    """Provider that completes every item of a batch once, after a number of polls, and counts the paid items."""

    max_bytes = 10_000

    def __init__(self, crashes: CrashInjector, *, polls_until_done: int = 2) -> None:
        self.crashes, self._polls_until_done = crashes, polls_until_done
        self.files: dict[str, tuple[str, list[bytes]]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.paid: Counter[str] = Counter()
        self.final_status: dict[int, str] = {}
        """Final status of the batch with this number, if not `completed`."""
        self.missing_results: set[str] = set()
        """Words of prompts that have no result the first time."""
        self.rejected_once: dict[str, bool] = {}
        """Words of prompts that are rejected the first time, for an invalid API key."""
        self.max_lines = 10**9
        """Largest number of items in a batch."""
        self.errors: dict[str, list[Exception]] = {}
        """Errors that the next calls of a method raise. `submit` does its work before it raises `Unavailable`."""
        self.find_calls = 0
        """Number of lookups of a batch."""
        self.hidden_lookups = 0
        """Lookups in the list that show nothing yet."""
        self._ids = itertools.count(1)

    def _raise_next_error(self, method: str) -> None:
        if self.errors.get(method) and not (method == "submit" and isinstance(self.errors[method][0], Unavailable)):
            raise self.errors[method].pop(0)

    def encode_line(self, id: str, body: dict[str, Any]) -> bytes:  # noqa: A002
        return json.dumps({"id": id, "body": body}).encode() + b"\n"

    async def upload(self, name: str, lines: Iterable[bytes]) -> str:
        def effect() -> str:
            file = f"file-{next(self._ids)}"
            self.files[file] = (name, list(lines))
            return file

        return str(await self.crashes.run_step(effect))

    async def wait_until_ready(self, file: str) -> None:
        await self.crashes.run_step(lambda: None)

    async def submit(self, name: str, file: str) -> ProviderBatch:
        def effect() -> ProviderBatch:
            self._raise_next_error("submit")
            if file not in self.files:
                raise InvalidPrompt("there is no such file")
            number = len(self.batches) + 1
            self.batches[f"batch-{number}"] = {
                "name": name,
                "file": file,
                "lines": self.files[file][1],
                "looks": 0,
                "number": number,
            }
            if self.errors.get("submit"):
                raise self.errors["submit"].pop(0)
            return self._describe(f"batch-{number}")

        return await self.crashes.run_step(effect)  # type: ignore[no-any-return]

    async def find(self, name: str, file: str) -> list[ProviderBatch]:
        def effect() -> list[ProviderBatch]:
            self.find_calls += 1
            self._raise_next_error("find")
            if self.hidden_lookups:
                self.hidden_lookups -= 1
                return []
            return [self._describe(id) for id, batch in self.batches.items() if batch["name"] == name]  # noqa: A001

        return await self.crashes.run_step(effect)  # type: ignore[no-any-return]

    async def retrieve(self, id: str) -> ProviderBatch:  # noqa: A002
        def effect() -> ProviderBatch:
            self.batches[id]["looks"] += 1
            return self._describe(id)

        return await self.crashes.run_step(effect)  # type: ignore[no-any-return]

    async def results(self, batch: ProviderBatch) -> AsyncIterator[BatchItemResult]:
        lines = await self.crashes.run_step(lambda: [json.loads(line) for line in self._completed_lines(batch.id)])
        for line in reversed(lines):
            words = line["body"]["words"]
            if self.rejected_once.pop(words, None):
                yield BatchItemResult(line["id"], error=Misconfigured("the key was rejected"))
            else:
                yield BatchItemResult(line["id"], answer=words.upper())

    async def cancel(self, id: str) -> None:  # noqa: A002
        def effect() -> None:
            if self._status(id) == "running":
                self.batches[id]["cancelled"] = True

        await self.crashes.run_step(effect)

    async def delete_file(self, file: str) -> None:
        await self.crashes.run_step(lambda: self.files.pop(file, None))

    async def list_files(self, prefix: str) -> list[tuple[str, str]]:
        def effect() -> list[tuple[str, str]]:
            return [(file, name) for file, (name, _) in self.files.items() if name.startswith(prefix)]

        return await self.crashes.run_step(effect)  # type: ignore[no-any-return]

    def finish_all(self) -> None:
        """Complete all submitted batches, whether anybody polls or not."""
        for id, batch in self.batches.items():  # noqa: A001
            batch["looks"] = max(batch["looks"], self._polls_until_done)
            self._describe(id)

    def _status(self, id: str) -> str:  # noqa: A002
        batch = self.batches[id]
        if batch.get("cancelled"):
            return "cancelled"
        if batch["looks"] < self._polls_until_done:
            return "running"
        if len(batch["lines"]) > self.max_lines:
            return "no room"
        return self.final_status.get(batch["number"], "completed")

    def _describe(self, id: str) -> ProviderBatch:  # noqa: A002
        batch, status = self.batches[id], self._status(id)
        if status == "completed" and not batch.get("done"):
            batch["done"] = [
                line for line in batch["lines"] if not any(hole in line.decode() for hole in self.missing_results)
            ]
            self.missing_results.clear()
            self.paid.update(json.loads(line)["body"]["words"] for line in batch["done"])
        code = "token_limit_exceeded" if status == "no room" else None
        shown: Any = "failed" if status == "no room" else status
        return ProviderBatch(id, batch["name"], batch["file"], shown, (), error_message=None, error_code=code)

    def _completed_lines(self, id: str) -> list[bytes]:  # noqa: A002
        return list(self.batches[id].get("done", []))


class FakeBatchModel:
    """Model that returns the prompt's words in capitals."""

    name = "openai:loud"

    def __init__(self, api: FakeBatchApi) -> None:
        self.batches = _BatchApiProxy(api)

    def body(self, prompt: Prompt) -> dict[str, Any]:
        return {"words": prompt.messages[0].content}

    def completion(self, answer: Any, prompt: Prompt) -> Completion:
        if answer == "BROKEN":
            raise Unavailable("that is no completion")
        return Completion(answer, "stop", Usage(input_tokens=1, output_tokens=1))

    def adapt(self, prompt: Prompt, body: dict[str, Any], outcome: Any) -> RetryMode:
        return RetryMode.NO


class _BatchApiProxy:
    """Adapter to the interface, in which `files` is a method."""

    def __init__(self, api: FakeBatchApi) -> None:
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return self._api.list_files if name == "files" else getattr(self._api, name)
