"""The AsyncAPI document as a page."""

import json

import pytest

from carteiro.schemas import ERROR_CODES, REQUESTS
from carteiro.wire.topics import Topics
from carteiro.worker.asyncapi import asyncapi
from carteiro.worker.page.asyncapi_page import asyncapi_page
from tests.unit.worker.page.test_state_page import PageParser, text


@pytest.fixture(scope="module")
def document():
    return asyncapi(list(REQUESTS.values()), Topics("acme"))


def test_page_names_each_channel_field_header_and_code(document):
    shown = text(asyncapi_page(document))
    for channel in document["channels"].values():
        assert channel["address"] in shown
    for message in document["components"]["messages"].values():
        for header in message["headers"]["properties"]:
            assert header in shown
    for request in REQUESTS.values():
        for field in request.model_fields:
            assert field in shown
    assert all(code in shown for code in ERROR_CODES)


def test_page_has_every_example_as_json(document):
    words = PageParser(asyncapi_page(document)).words
    for message in document["components"]["messages"].values():
        for example in message["examples"]:
            assert json.dumps(example["payload"], indent=2, ensure_ascii=False) in words


def test_links_within_the_page_have_a_target(document):
    tags = PageParser(asyncapi_page(document)).tags
    there = {given["id"] for _, given in tags if "id" in given}
    targets = {given["href"].removeprefix("#") for tag, given in tags if tag == "a" and given["href"].startswith("#")}
    assert targets <= there
    assert set(REQUESTS) < targets


def test_page_links_to_the_document(document):
    assert ("a", {"href": "asyncapi"}) in PageParser(asyncapi_page(document)).tags
