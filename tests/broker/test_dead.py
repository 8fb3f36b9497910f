"""`carteiro dead` on a real broker, with letters of a real worker."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.broker.peer import Peer

REQUESTS = "llm.sentiment.requests"
BODY = {"text": "I love it."}


@pytest.fixture
def dead(broker):
    """Runs the command; its exit code, and what it printed."""

    async def run(*words: str) -> tuple[int, str]:
        command = [str(Path(sys.executable).with_name("carteiro")), "dead", *words]
        settings = os.environ | {"CARTEIRO_BOOTSTRAP_SERVERS": broker.address}
        done = await asyncio.to_thread(subprocess.run, command, env=settings, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


async def letters(dead, *words: str) -> list[dict]:
    code, printed = await dead("list", "sentiment", "--json", *words)
    assert code == 0, printed
    return [json.loads(line) for line in printed.splitlines()]


async def give_up(peer: Peer, services, monkeypatch, correlation_id: bytes) -> None:
    """Have a request given up: the model stumbles over it."""

    async def broken(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(services.model_of("sentiment"), "complete", broken)
        await peer.send(REQUESTS, json.dumps(BODY).encode(), [("correlation_id", correlation_id)], key=b"k")
        await peer.reply("correlation_id", correlation_id)


async def test_a_request_that_was_given_up_is_listed_shown_and_redriven_once(services, broker, dead, monkeypatch):
    async with Peer(broker.address, "llm.sentiment.replies") as peer:
        await give_up(peer, services, monkeypatch, b"first")
        (letter,) = await letters(dead, "--correlation-id", "first")
        assert (letter["code"], letter["key"], letter["state"]) == ("internal", "k", "waiting")
        assert await letters(dead, "--code", "model_unavailable") == []

        code, shown = await dead("show", letter["id"])
        assert code == 0
        assert '"text": "I love it."' in shown

        code, printed = await dead("redrive", "sentiment", "--dry-run")
        assert code == 0, printed
        assert (await letters(dead, "--correlation-id", "first"))[0]["state"] == "waiting"

        peer.records.clear()
        code, printed = await dead("redrive", "sentiment", "--yes")
        assert code == 0, printed
        reply = await peer.reply("correlation_id", b"first")
        assert (json.loads(reply.value)["status"], reply.key) == ("ok", b"k")
        assert await letters(dead) == []

        peer.records.clear()
        code, printed = await dead("redrive", "sentiment", "--yes")
        assert code == 0, printed
        assert not peer.records


async def test_a_letter_that_was_redriven_often_enough_is_left(services, broker, dead, monkeypatch):
    async with Peer(broker.address, "llm.sentiment.replies") as peer:
        await give_up(peer, services, monkeypatch, b"again")
        code, printed = await dead("redrive", "sentiment", "--yes", "--max-redrives", "0")
        assert "redrive" in printed
        waiting = await letters(dead, "--correlation-id", "again")
        assert len(waiting) == 1


async def test_what_is_not_there_is_said(services, dead):
    assert (await dead("list", "nonsense"))[0] == 2
    assert (await dead("show", "llm.sentiment.dead/0/999999"))[0] != 0
