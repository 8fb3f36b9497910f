"""`CloudModel` with a real peer: Transformers' own server of the OpenAI API, with a small model.

It differs from OpenAI: it takes a directory for a model's name, leaves the stop text in the
completion, ignores a JSON schema, and has `detail` in place of OpenAI's `error`.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from carteiro.models.cloud.client import CloudModel
from carteiro.models.errors import InvalidPrompt
from carteiro.models.prompt import Message, Prompt
from carteiro.models.providers.http import endpoint
from carteiro.models.settings import ModelSettings

pytestmark = [pytest.mark.slow, pytest.mark.long]

START_SECONDS = 240
QUESTION = [Message("user", "What is the capital of France?")]


@pytest.fixture(scope="module")
def server(smollm2_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the address of `transformers serve`, pinned to the model. It listens once the model is loaded."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(smollm2_directory)]
    options = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu", "--dtype", "float32"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command + options, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"}
        )
    try:
        wait_until_healthy(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    pytest.fail(f"transformers serve did not come up:\n{log.read_text()[-4000:]}")


@pytest.fixture
async def model(server: str, smollm2_directory: Path) -> AsyncIterator[CloudModel]:
    name = f"{server}#{smollm2_directory}"
    model = CloudModel(name, endpoint(name, name.partition(":")[2], None, ModelSettings()), timeout=120)
    yield model
    await model.close()


async def test_prompt_is_completed(model: CloudModel, smollm2_directory: Path) -> None:
    from transformers import AutoTokenizer

    completion = await model.complete(Prompt(messages=QUESTION, temperature=0, max_output_tokens=30))

    assert completion.finish_reason == "stop"
    assert "Paris" in completion.text
    tokenizer = AutoTokenizer.from_pretrained(smollm2_directory)
    chat = [{"role": message.role, "content": message.content} for message in QUESTION]
    rendered = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert completion.usage.input_tokens == len(tokenizer(rendered, add_special_tokens=False).input_ids)
    assert 0 < completion.usage.output_tokens < 30


async def test_limit_of_tokens_cuts(model: CloudModel) -> None:
    completion = await model.complete(Prompt(messages=QUESTION, temperature=0, max_output_tokens=3))

    assert completion.finish_reason == "length"
    assert completion.usage.output_tokens == 3
    assert completion.text


async def test_stop_text_ends_the_completion_and_is_not_part_of_it(model: CloudModel) -> None:
    completion = await model.complete(
        Prompt(messages=QUESTION, temperature=0, max_output_tokens=30, stop=[" Paris", " of"])
    )

    assert completion.finish_reason == "stop"
    assert completion.text
    assert " of" not in completion.text
    assert "Paris" not in completion.text


async def test_model_that_is_not_served_is_a_typed_error(server: str) -> None:
    name = f"{server}#other"
    model = CloudModel(name, endpoint(name, name.partition(":")[2], None, ModelSettings()), timeout=120)
    with pytest.raises(InvalidPrompt, match="Server is pinned to") as caught:
        await model.complete(Prompt(messages=QUESTION))
    await model.close()
    assert not caught.value.retryable
