import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from carteiro.schemas import REQUESTS

MINIMAL = {
    "generate": {"prompt": "Hi"},
    "translate": {"text": "Hi", "target": "pt"},
    "chat": {"messages": [{"role": "user", "content": "Hi"}]},
    "sentiment": {"text": "Hi"},
    "answer": {"question": "Who?", "context": "She did."},
    "summarize": {"text": "Hi"},
    "classify": {"text": "Hi", "labels": ["greeting", "question"]},
    "extract": {"text": "Hi", "fields": {"type": "object"}},
    "embed": {"texts": ["Hi"]},
}


@pytest.mark.parametrize("task", REQUESTS)
def test_only_required_fields_are_required(task):
    request = REQUESTS[task]
    request.model_validate_json(json.dumps(MINIMAL[task]))
    for field in MINIMAL[task]:
        with pytest.raises(ValidationError):
            request.model_validate_json(json.dumps({k: v for k, v in MINIMAL[task].items() if k != field}))


@pytest.mark.parametrize("task", REQUESTS)
def test_every_example_in_the_json_schema_is_valid(task):
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


@pytest.mark.parametrize("module", ["carteiro.schemas", "carteiro.client", "carteiro.wire.envelope"])
def test_producer_imports_no_worker(module):
    """In a new interpreter, the producer's imports load neither faststream nor openai nor torch."""
    heavy = {"faststream", "openai", "torch", "transformers", "structlog", "pydantic_settings", "typer"}
    code = f"import sys, {module}; print(sorted({heavy!r} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_schemas_need_only_pydantic():
    code = "import sys, carteiro.schemas; print('aiokafka' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
