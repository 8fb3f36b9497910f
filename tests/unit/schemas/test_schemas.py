import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from carteiro.schemas import (
    ERROR_CODES,
    REQUESTS,
    ChatRequest,
    ErrorReply,
    GenerateRequest,
    SentimentRequest,
    TranslateRequest,
    reply_type,
)
from carteiro.schemas.reply import ErrorCode

MINIMAL = {
    "generate": {"prompt": "Hi"},
    "translate": {"text": "Hi", "target": "pt"},
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "sentiment": {"text": "Hi"},
    "answer": {"question": "Who?", "context": "She did."},
    "summarize": {"text": "Hi"},
}


@pytest.mark.parametrize("task", REQUESTS)
def test_only_what_the_task_needs_is_required(task):
    request = REQUESTS[task]
    request.model_validate_json(json.dumps(MINIMAL[task]))
    for field in MINIMAL[task]:
        with pytest.raises(ValidationError):
            request.model_validate_json(json.dumps({k: v for k, v in MINIMAL[task].items() if k != field}))


@pytest.mark.parametrize("task", REQUESTS)
def test_every_example_in_the_json_schema_is_a_valid_one(task):
    request = REQUESTS[task]
    schema = request.model_json_schema()
    assert schema["description"]
    for example in schema["examples"]:
        assert json.loads(request.model_validate_json(json.dumps(example)).to_json()) == example
    for example in request.result.model_json_schema()["examples"]:
        assert request.result.model_validate(example).model_dump() == example


@pytest.mark.parametrize("task", REQUESTS)
def test_every_field_is_described_or_plain(task):
    plain = {"text", "target", "question", "context", "style", "length"}
    properties = REQUESTS[task].model_json_schema()["properties"]
    assert {name for name, field in properties.items() if "description" not in field} <= plain


@pytest.mark.parametrize("tag", ["pt", "pt-BR", "zh-Hant", "zh-Hant-TW", "es-419", "yue", "sl-rozaj", "de-CH-1996"])
def test_language_tags_of_bcp_47(tag):
    assert TranslateRequest(text="x", target=tag).target == tag


@pytest.mark.parametrize("tag", ["", "p", "portuguese", "pt_BR", "pt-", "pt-BR\n", "12", "pt BR"])
def test_what_is_no_language_tag(tag):
    with pytest.raises(ValidationError):
        TranslateRequest(text="x", target=tag)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: ChatRequest(messages=[]), "at least 1"),
        (lambda: ChatRequest.model_validate({"messages": [{"role": "assistant", "content": "x"}]}), "user's"),
        (
            lambda: ChatRequest.model_validate(
                {
                    "messages": [
                        {"role": "user", "content": "x"},
                        {"role": "system", "content": "x"},
                        {"role": "user", "content": "x"},
                    ]
                }
            ),
            "first",
        ),
        (lambda: ChatRequest.model_validate({"messages": [{"role": "robot", "content": "x"}]}), "'system', 'user'"),
        (lambda: SentimentRequest(text="x", labels=["one"]), "at least 2"),
        (lambda: SentimentRequest(text="x", labels=["one", "one"]), "twice"),
        (lambda: GenerateRequest(prompt="x", stop=[""]), "at least 1"),
        (lambda: GenerateRequest(prompt="x", json_schema={}), "object"),
    ],
)
def test_requests_that_make_no_sense(make, reason):
    with pytest.raises(ValidationError, match=reason):
        make()


def test_a_reply_of_a_newer_worker_is_read():
    reply = {
        "status": "ok",
        "task": "chat",
        "request_id": "t/0/1",
        "result": {"message": {"role": "assistant", "content": "x", "mood": "good"}},
        "model": "m",
        "usage": {"input_tokens": 1, "output_tokens": 1, "cached_tokens": 3},
        "timing": {"queue_ms": 1, "work_ms": 2},
        "news": True,
    }
    assert reply_type(ChatRequest.result).validate_python(reply).result.message.content == "x"


def test_every_error_code_is_explained():
    assert set(ErrorCode.__args__) == set(ERROR_CODES)


def test_a_code_of_a_newer_worker_is_read():
    error = {"code": "new", "message": "x", "retryable": False}
    assert ErrorReply.model_validate({"task": "x", "request_id": "x", "error": error}).error.code == "new"


@pytest.mark.parametrize("module", ["carteiro.schemas", "carteiro.client", "carteiro.wire.envelope"])
def test_a_producer_imports_no_worker(module):
    """In a fresh interpreter: what a producer imports brings neither faststream nor openai nor torch."""
    heavy = {"faststream", "openai", "torch", "transformers", "structlog", "pydantic_settings", "typer"}
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_schemas_need_pydantic_alone():
    code = "import sys, carteiro.schemas; print('aiokafka' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
