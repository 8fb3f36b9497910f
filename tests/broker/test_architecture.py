"""The walk of a chat request in the documentation: each file that it names runs."""

import re
import sys
from pathlib import Path
from types import FrameType

from carteiro.worker.worker import Worker
from tests.broker.raw_kafka_client import RawKafkaClient
from tests.provider import Provider

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/understand/architecture.md"
OTHER_GUARANTEE = "transactional"
"""Module that takes the place of another one, on a broker with transactions."""


def named_files() -> list[Path]:
    """Return the files that the page names. A name without a folder is in the folder of the one before it."""
    steps = [line for line in PAGE.read_text().split("## One request")[1].splitlines() if line.startswith("* ")]
    files, folder = [], ROOT
    for name in re.findall("`([^`]+)`", "\n".join(steps)):
        known = [each / f"{name}.py" for each in (ROOT, ROOT / "shared/carteiro", folder)]
        if name != OTHER_GUARANTEE:
            (file,) = (each for each in known if each.exists())
            files.append(file)
            folder = file.parent
    return files


async def test_chat_request_passes_the_files_that_the_page_names(services: Worker, broker, provider: Provider) -> None:
    ran: set[str] = set()

    def note(frame: FrameType, _event: str, _arg: object) -> None:
        ran.add(frame.f_code.co_filename)

    async with RawKafkaClient(broker.address, "llm.chat.replies") as peer:
        sys.setprofile(note)
        try:
            reply, _ = await peer.ask("llm.chat.requests", {"messages": [{"role": "user", "content": "Hello."}]})
        finally:
            sys.setprofile(None)
    files = named_files()
    assert reply["status"] == "ok"
    assert f"passes {len(files)} files" in PAGE.read_text()
    assert [str(each.relative_to(ROOT)) for each in files if str(each) not in ran] == []
