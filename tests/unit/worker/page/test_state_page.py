"""The state page of a worker, as a browser without JavaScript shows it."""

import base64
import dataclasses
import hashlib
import re
from html.parser import HTMLParser

import pytest

from carteiro.worker.observability.health import Condition
from carteiro.worker.page.markup import HEADERS, element
from carteiro.worker.page.state_page import state_page
from services.chat.task import task as chat
from services.sentiment.task import task as sentiment
from services.summarize.task import task as summarize

TASKS = [chat, sentiment, summarize]


class PageParser(HTMLParser):
    """Parser of a page's tags and of its text outside `style` and `script` elements."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        if self._inside not in ("style", "script"):
            self.words += f" {data.strip()}"


def text(page: bytes) -> str:
    return " ".join(PageParser(page).words.split())


def test_state_is_readable_without_javascript(state):
    shown = text(state_page(state, TASKS))
    for part in ("Ready", "openai:first", "openai:second held back", "12,873", "1,204,331", "rate_limited", "312"):
        assert part in shown
    for part in ("kafka-1:9092", "SASL_SSL", "exactly once", "2 hours", "1.2.3", "2026-11-29 12:00:00 UTC"):
        assert part in shown


def test_events_are_shown_in_and_out(state):
    events = dataclasses.replace(state.tasks[0], task="enrich-reviews", records="events")
    shown = text(state_page(dataclasses.replace(state, tasks=(events,)), []))
    assert "Events in Events out With errors Dead letters" in shown
    assert "Replies Errors" not in shown
    assert "Requests Replies" in text(state_page(state, TASKS))


def test_unknown_lag_is_shown_as_a_dash(state):
    unknown = dataclasses.replace(state, tasks=(dataclasses.replace(state.tasks[0], lag=None),))
    assert "chat openai:first openai:second held back – 64" in text(state_page(unknown, TASKS))


@pytest.mark.parametrize("condition", Condition)
def test_condition_is_shown_in_words_with_its_reason(state, condition):
    changed = dataclasses.replace(state, condition=condition, phase="waiting for Kafka", reasons=("a reason to see",))
    page = state_page(changed, TASKS)
    (title,) = re.findall(r"<h1>([^<]+)</h1>", page.decode())
    assert title == "Waiting for Kafka" or condition != Condition.STARTING
    assert "a reason to see" in text(page)
    assert f"<title>{title} " in page.decode()
    assert f'data-condition="{condition}"' in page.decode()


def test_conditions_have_their_own_titles(state):
    titles = {
        re.search(r"<h1>([^<]+)", state_page(dataclasses.replace(state, condition=each, phase="p"), TASKS).decode())[1]
        for each in Condition
    }
    assert len(titles) == len(Condition)


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b"])
def test_external_text_is_escaped(state, hostile):
    task = dataclasses.replace(state.tasks[0], task=hostile)
    changed = dataclasses.replace(
        state, reasons=(hostile,), bootstrap_servers=hostile, topic_prefix=hostile, tasks=(task,), phase=hostile
    )
    page = state_page(dataclasses.replace(changed, condition=Condition.BLOCKED), TASKS)
    tags = PageParser(page).tags
    assert "img" not in [tag for tag, _ in tags]
    assert [tag for tag, _ in tags].count("script") == 1
    assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
    assert hostile in PageParser(page).words


def test_external_text_cannot_end_an_attribute():
    assert element("a", "<b>", href='"><i>') == '<a href="&quot;&gt;&lt;i&gt;">&lt;b&gt;</a>'


def test_page_is_complete_and_its_policy_allows_its_own_style_and_script(state):
    page = state_page(state, TASKS).decode()
    policy = HEADERS["content-security-policy"]
    for name in ("style", "script"):
        (source,) = re.findall(rf"<{name}>(.*?)</{name}>", page, re.DOTALL)
        assert f"{name}-src 'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy
    for tag, attributes in PageParser(state_page(state, TASKS)).tags:
        assert "style" not in attributes
        target = attributes.get("src") or (attributes.get("href") or "" if tag in ("link", "a") else "")
        assert not re.match(r"\w+:(?!image/svg)|//", target.removeprefix("data:")), target


def test_form_is_shown_only_if_enabled(state):
    assert [tag for tag, _ in PageParser(state_page(state, TASKS)).tags].count("form") == 1
    off = state_page(dataclasses.replace(state, form=False), TASKS)
    assert "form" not in [tag for tag, _ in PageParser(off).tags]
    assert "CARTEIRO_HTTP_FORM=true" in text(off)


def test_every_form_field_has_a_label(state):
    tags = PageParser(state_page(state, TASKS)).tags
    fields = {given["id"] for tag, given in tags if tag in ("input", "select", "textarea")}
    assert fields == {given["for"] for tag, given in tags if tag == "label"}
    assert {"chat-messages", "sentiment-labels", "summarize-text", "summarize-style"} <= fields
