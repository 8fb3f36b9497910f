"""A headless Chromium, driven by its DevTools protocol (https://chromedevtools.github.io/devtools-protocol)."""

import asyncio
import base64
import itertools
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.conftest import eventually_true

_FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --remote-debugging-port=0"
).split()
_START_SECONDS = 60.0
_ANSWER_SECONDS = 60.0


def find_chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One browser with its own profile and one tab."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.requested_urls: list[str] = []
        """Addresses that the page has requested."""
        self.console_errors: list[str] = []
        """Warnings and errors of the console and the log, and uncaught exceptions."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *_FLAGS,
            f"--user-data-dir={self._profile.name}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        port_file = Path(self._profile.name) / "DevToolsActivePort"

        async def listening() -> bool:
            assert self._process.returncode is None, "the browser has ended"
            return port_file.exists() and len(port_file.read_text().splitlines()) == 2

        await eventually_true(listening, _START_SECONDS)
        port = port_file.read_text().splitlines()[0]
        self._session = aiohttp.ClientSession()
        async with self._session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            (tab,) = [each for each in await answer.json() if each["type"] == "page"]
        self._socket = await self._session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0)
        self._reader = asyncio.create_task(self._read())
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            await self.call(f"{domain}.enable")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await self._session.close()
        self._process.terminate()
        await self._process.wait()
        self._profile.cleanup()

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await answer

    async def _read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if (answer := self._answers.pop(said.get("id"), None)) is not None:
                if "error" in said:
                    answer.set_exception(RuntimeError(said["error"]["message"]))
                else:
                    answer.set_result(said["result"])
                continue
            self._note(said.get("method"), said.get("params", {}))

    def _note(self, event: str | None, given: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requested_urls.append(given["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.console_errors.append(str(given["exceptionDetails"]))
        elif event == "Log.entryAdded" and given["entry"]["level"] in ("warning", "error"):
            self.console_errors.append(given["entry"]["text"])
        elif event == "Runtime.consoleAPICalled" and given["type"] in ("warning", "error", "assert"):
            self.console_errors.append(str(given["args"]))

    async def open(self, url: str) -> None:
        """Load a page, and return once its script has run."""
        await self.call("Page.navigate", url=url)

        async def loaded() -> bool:
            return bool(await self.value(f"location.href === {url!r} && document.readyState === 'complete'"))

        await eventually_true(loaded)

    async def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def press(self, key: str, *, modifiers: int = 0) -> None:
        """Press and release a key. `modifiers` is 2 for Control, 8 for Shift."""
        text = {"Enter": "\r", " ": " "}.get(key, key if len(key) == 1 else "") if modifiers in (0, 8) else ""
        code = {"Enter": 13, "Tab": 9, " ": 32, "ArrowDown": 40}.get(key, ord(key[0].upper()))
        pressed = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        await self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **pressed)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **pressed)

    async def type(self, text: str) -> None:
        """Type into the element that has the focus."""
        await self.call("Input.insertText", text=text)

    async def accessibility_nodes(self) -> list[tuple[str, str]]:
        """Return roles and names, as a screen reader gets them."""
        nodes = (await self.call("Accessibility.getFullAXTree"))["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node.get("ignored")
        ]

    async def emulate(self, *, dark: bool = False, width: int = 1200, height: int = 900) -> None:
        """Show the page in a colour scheme and a size (CSS pixels)."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.call("Emulation.setEmulatedMedia", features=scheme)
        await self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    async def screenshot(self, file: Path) -> None:
        """Write the whole page to a PNG file."""
        found = await self.call("Page.captureScreenshot", captureBeyondViewport=True)
        file.write_bytes(base64.b64decode(found["data"]))
