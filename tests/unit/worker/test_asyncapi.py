import json
from pathlib import Path

import jsonschema_rs
import pytest

from carteiro.schemas import REQUESTS
from carteiro.wire.topics import Topics
from carteiro.worker.asyncapi import asyncapi

ROOT = Path(__file__).parents[3]
OFFICIAL = Path(__file__).with_name("asyncapi-3.0.0.schema.json")
"""The AsyncAPI Initiative's own JSON Schema of AsyncAPI 3.0.0 (Apache License 2.0)."""


@pytest.fixture(scope="module")
def document():
    return asyncapi(list(REQUESTS.values()), Topics())


def test_document_is_valid_by_the_official_schema(document):
    validator = jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()), offline=True)
    assert [error.message for error in validator.iter_errors(document)] == []
    broken = {**document, "operations": {"x": {"action": "recieve"}}}
    assert not validator.is_valid(broken)


def test_every_reference_has_a_target(document):
    def references(node):
        if isinstance(node, dict):
            if isinstance(node.get("$ref"), str):
                yield node["$ref"]
            node = list(node.values())
        for child in node if isinstance(node, list) else ():
            yield from references(child)

    found = set(references(document))
    assert len(found) > 30
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_every_example_is_valid_by_its_payload_schema(document):
    schemas = {"components": document["components"]}
    for name, message in document["components"]["messages"].items():
        assert message["examples"], name
        for example in message["examples"]:
            jsonschema_rs.validate({**schemas, **message["payload"]}, example["payload"])


def test_all_tasks_have_their_topics(document):
    assert set(document["operations"]) == REQUESTS.keys()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {"llm.chat.requests", "llm.chat.replies"} <= addresses
    assert len(addresses) == 2 * len(REQUESTS)
