"""Compatibility with released versions: the messages that they read and write are in their AsyncAPI documents.

`recorded/` has the document of each release. A document there is never changed.
"""

import json
from pathlib import Path

import jsonschema_rs
import pytest
from pydantic import TypeAdapter

from carteiro.schemas import REQUESTS, ErrorReply, reply_type
from carteiro.wire.topics import Topics
from carteiro.worker.asyncapi import asyncapi

FOLDER = Path(__file__).with_name("recorded")
RECORDED = {path.stem.removeprefix("asyncapi-"): json.loads(path.read_text()) for path in FOLDER.glob("*.json")}


TASKS = [
    (version, task)
    for version, document in RECORDED.items()
    for task in REQUESTS
    if task in document["operations"]  # a later task has no earlier messages
]


@pytest.fixture(params=RECORDED)
def earlier(request):
    return RECORDED[request.param]


@pytest.fixture(scope="module")
def today():
    return asyncapi(list(REQUESTS.values()), Topics())


def examples(document, message):
    return [example["payload"] for example in document["components"]["messages"][message]["examples"]]


@pytest.mark.parametrize(("earlier", "task"), TASKS, indirect=["earlier"])
def test_earlier_requests_are_read(earlier, task):
    for example in examples(earlier, f"{task}Request"):
        REQUESTS[task].model_validate_json(json.dumps(example))


@pytest.mark.parametrize(("earlier", "task"), TASKS, indirect=["earlier"])
def test_earlier_replies_are_read(earlier, task):
    adapter: TypeAdapter = reply_type(REQUESTS[task].result)
    for example in examples(earlier, f"{task}Reply"):
        assert adapter.validate_json(json.dumps(example)).status == "ok"
    for example in examples(earlier, "error"):
        ErrorReply.model_validate(example)


@pytest.mark.parametrize(("earlier", "task"), TASKS, indirect=["earlier"])
def test_earlier_readers_read_todays_replies(earlier, today, task):
    schemas = {"components": earlier["components"]}
    for message in (f"{task}Reply", "error"):
        payload = earlier["components"]["messages"][message]["payload"]
        for example in examples(today, message):
            jsonschema_rs.validate({**schemas, **payload}, example)


@pytest.mark.parametrize(("earlier", "task"), TASKS, indirect=["earlier"])
def test_no_request_field_is_removed_or_becomes_required(earlier, today, task):
    def schema(document):
        return document["components"]["schemas"][REQUESTS[task].__name__]

    assert schema(earlier)["properties"].keys() <= schema(today)["properties"].keys()
    assert set(schema(today).get("required", ())) <= set(schema(earlier).get("required", ()))


def test_topics_of_earlier_versions_are_unchanged(earlier, today):
    def addresses(document):
        return {channel["address"] for channel in document["channels"].values()}

    assert addresses(earlier) <= addresses(today)
