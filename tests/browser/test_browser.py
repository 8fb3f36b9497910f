"""The page in a real browser: by keyboard, with a screen reader, light and dark, narrow and wide."""

import asyncio
import json
import re
from functools import partial

import pytest

from carteiro.worker.observability.health import WorkerPhase
from tests.browser.chromium import Chromium
from tests.conftest import eventually_true
from tests.provider import Provider
from tests.provider.completions import complete
from tests.provider.streams import begin, pieces, write

pytestmark = pytest.mark.timeout(180)

TEXT = "one two three four five six"
CONTRAST = """
(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return canvas.getImageData(0, 0, 1, 1).data;
  };
  const light = ([r, g, b]) => [r, g, b].map((each) => each / 255)
    .map((each) => each <= .03928 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4)
    .reduce((sum, each, index) => sum + each * [.2126, .7152, .0722][index], 0);
  const ground = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = rgba(getComputedStyle(each).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !element.checkVisibility()) continue;
    const pair = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) found.push(`${element.tagName} ${walk.currentNode.data.trim().slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return found;
})()
"""
"""Script that returns the texts whose contrast is below 4.5 to 1 (WCAG 2.2, success criterion 1.4.3)."""


@pytest.fixture
async def browser(chromium: Chromium) -> Chromium:
    chromium.requested_urls.clear()
    chromium.console_errors.clear()
    await chromium.emulate()
    return chromium


async def focus(browser: Chromium) -> str:
    return await browser.value("document.activeElement.id || document.activeElement.textContent.trim()")


async def tab_to(browser: Chromium, wanted: str) -> None:
    for _ in range(40):
        await browser.press("Tab")
        if await focus(browser) == wanted:
            return
    raise AssertionError(f"Tab does not reach {wanted}")


@pytest.mark.parametrize("path", ["", "asyncapi.html"])
async def test_page_loads_only_its_own_resources_without_warnings(browser, served, path):
    await browser.open(f"{served.url}{path}")
    if not path:
        # The script has requested the page again.
        await eventually_true(lambda: _requested(browser, served.url, 2))
    assert {url for url in browser.requested_urls if not url.startswith((served.url, "data:"))} == set()
    assert browser.console_errors == []


async def _requested(browser: Chromium, url: str, times: int) -> bool:
    return browser.requested_urls.count(url) >= times


async def paused(go_on: asyncio.Event, request, body):
    """Stream one half of an answer, and the rest once `go_on` is set."""
    response = await begin(request)
    found = list(pieces(body, complete(body)))
    for number, piece in enumerate(found):
        if number == len(found) // 2:
            await go_on.wait()
        await write(response, piece)
    return response


async def test_form_works_by_keyboard_and_the_reply_streams(browser, served, provider: Provider):
    await browser.open(served.url)
    await browser.press("Tab")
    assert await focus(browser) == "Skip to the content"
    await tab_to(browser, "task")
    for letter in "gen":
        await browser.press(letter)
    assert await browser.value("document.getElementById('task').value") == "generate"
    await browser.press("Tab")
    assert await focus(browser) == "generate-prompt"
    await browser.value("document.activeElement.select()")
    await browser.type(TEXT)
    go_on = asyncio.Event()
    provider._next.append(partial(paused, go_on))
    await tab_to(browser, "Send")
    await browser.press("Enter")
    await eventually_true(lambda: _shows(browser, "#reply-text", "^one"))
    assert await browser.value("document.getElementById('reply-text').textContent") != TEXT
    assert await browser.value("document.getElementById('reply-text').ariaBusy") == "true"
    go_on.set()
    await eventually_true(lambda: _shows(browser, "#reply-status", r"tokens"))
    assert await browser.value("document.getElementById('reply-text').textContent") == TEXT
    assert await browser.value("document.getElementById('reply-text').ariaBusy") is None
    assert "shown.generate.requests" in await browser.value("document.getElementById('reply-json').textContent")
    assert browser.console_errors == []


async def _shows(browser: Chromium, selector: str, pattern: str) -> bool:
    return bool(re.search(pattern, await browser.value(f"document.querySelector({selector!r}).textContent")))


async def test_reply_with_markup_is_shown_as_text(browser, served, provider: Provider):
    hostile = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    provider.queue_completion(hostile)
    await browser.open(served.url)
    await browser.value("document.getElementById('task').value = 'chat'")
    await browser.value("document.getElementById('task').dispatchEvent(new Event('change'))")
    await browser.value("document.getElementById('form').requestSubmit()")
    await eventually_true(lambda: _shows(browser, "#reply-status", r"tokens"))
    assert await browser.value("document.getElementById('reply-text').textContent") == hostile
    assert await browser.value("document.querySelectorAll('img').length") == 0
    assert browser.console_errors == []


async def test_line_of_the_form_is_a_text_to_embed(browser, served):
    await browser.open(served.url)
    await browser.value("document.getElementById('task').value = 'embed'")
    await browser.value("document.getElementById('task').dispatchEvent(new Event('change'))")
    await browser.value("document.getElementById('embed-texts').value = 'One, two.\\n\\nThree.'")
    await browser.value("document.getElementById('embed-texts').dispatchEvent(new Event('input', {bubbles: true}))")
    record = json.loads(await browser.value("document.getElementById('embed-record').value"))
    assert record["texts"] == ["One, two.", "Three."]
    await browser.value("document.getElementById('form').requestSubmit()")
    await eventually_true(lambda: _shows(browser, "#reply-status", r"tokens"))
    reply = json.loads(await browser.value("document.getElementById('reply-json').textContent"))
    assert [len(each) for each in reply["result"]["vectors"]] == [8, 8]
    assert browser.console_errors == []


async def test_invalid_record_is_reported_with_its_field(browser, served):
    await browser.open(served.url)
    await browser.value("document.querySelector('fieldset:not([hidden]) .record').value = '{}'")
    await browser.value("document.getElementById('form').requestSubmit()")
    await eventually_true(lambda: _shows(browser, "#reply-status", r"question: is missing"))


async def test_every_control_has_a_name_for_screen_readers(browser, served):
    await browser.open(served.url)
    tree = await browser.accessibility_nodes()
    named = {"button", "combobox", "textbox", "link", "table", "region", "form", "heading", "group"}
    assert [(role, name) for role, name in tree if role in named and not name.strip() and role != "group"] == []
    for expected in [
        ("heading", "Ready"),
        ("region", "Tasks"),
        ("region", "Last errors"),
        ("form", "Send a request"),
        ("combobox", "Task"),
        ("textbox", "Question"),
        ("textbox", "Context"),
        ("button", "Send"),
        ("navigation", "Pages"),
    ]:
        assert expected in tree
    assert await browser.value("document.documentElement.lang") == "en"
    assert await browser.value("document.querySelectorAll('h1').length") == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", ["", "asyncapi.html"])
async def test_texts_are_readable_in_light_and_dark(browser, served, path, dark):
    await browser.emulate(dark=dark)
    await browser.open(f"{served.url}{path}")
    ground = await browser.value("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 380) == dark
    assert await browser.value(CONTRAST) == []


@pytest.mark.parametrize("path", ["", "asyncapi.html"])
async def test_narrow_screen_needs_no_sideways_scrolling(browser, served, path):
    await browser.emulate(width=320, height=700)
    await browser.open(f"{served.url}{path}")
    assert await browser.value("document.documentElement.scrollWidth") <= 320


async def test_state_changes_without_a_reload(browser, served):
    await browser.open(served.url)
    await browser.value("globalThis.mine = true; null")
    served.app.health.set_phase(WorkerPhase.WAITING_FOR_KAFKA)
    try:
        await eventually_true(lambda: _shows(browser, "h1", "Waiting for Kafka"))
        assert await browser.value("document.getElementById('status').dataset.condition") == "starting"
        assert (await browser.value("document.title")).startswith("Waiting for Kafka")
    finally:
        served.app.health.set_phase(WorkerPhase.READY)
    await eventually_true(lambda: _shows(browser, "h1", "^Ready"))
    assert await browser.value("mine") is True


async def test_missing_worker_is_reported(browser, served):
    await browser.open(served.url)
    await browser.call(
        "Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1
    )
    try:
        await eventually_true(lambda: _shows(browser, "h1", "No answer"))
    finally:
        await browser.call(
            "Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )
    await eventually_true(lambda: _shows(browser, "h1", "^Ready"))


async def test_state_is_shown_without_javascript(browser, served):
    await browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        await browser.open(served.url)
        tree = await browser.accessibility_nodes()
        assert ("heading", "Ready") in tree
        assert ("button", "Send") not in tree
        assert any("JavaScript" in name for _, name in tree)
    finally:
        await browser.call("Emulation.setScriptExecutionDisabled", value=False)
