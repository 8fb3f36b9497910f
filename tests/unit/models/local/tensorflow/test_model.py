"""BERT, RoBERTa and GPT-2 through TensorFlow: the same logits as Transformers, without torch."""

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carteiro.models.errors import ModelUnusable, PromptTooLarge
from carteiro.models.interface import ChatModel, ClassifierModel
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models import untrained
from tests.unit.models.sample_models import load_model, user_prompt

pytest.importorskip("keras_hub", reason="pip install 'carteiro[tensorflow]'")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[5]
TEXTS = ["the room was great .", "as we said , the food was awful .", "", "well " * 10]
ENDS = [" great", " was awful", "!"]


def without_torch(directory: Path, calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.unit.models.local.without_torch", f"tensorflow:{directory}"]
    done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("bert", {}),
        ("roberta", {}),
        ("bert", {"hidden_act": "gelu_new", "layer_norm_eps": 1e-3, "problem_type": "multi_label_classification"}),
    ],
)
async def test_classifier_without_torch_equals_transformers(tmp_path, family, options):
    directory = getattr(untrained, family)(tmp_path, **options)
    mine, theirs = (
        without_torch(directory, [("classify", {"text": text}) for text in TEXTS]),
        await load_model(f"local:{directory}"),
    )
    assert (mine["small"], mine["context_tokens"]) == (theirs.is_small, theirs.context_tokens)
    for text, said in zip(TEXTS, mine["said"], strict=True):
        found = await theirs.classify(text)
        assert list(said["probabilities"]) == list(found.probabilities)
        # The logarithm of a probability is its logit minus a constant.
        logits = [[math.log(each) for each in one.values()] for one in (said["probabilities"], found.probabilities)]
        assert logits[0] == pytest.approx(logits[1], abs=1e-4)
        assert said["usage"]["input_tokens"] == found.usage.input_tokens
    await theirs.close()


async def test_gpt2_without_torch_equals_transformers(tmp_path):
    directory = untrained.gpt2(tmp_path)
    calls: list[tuple[str, dict[str, Any]]] = [
        *(("complete", {"text": text, "max_output_tokens": 40}) for text in TEXTS if text),
        ("rank", {"text": TEXTS[0], "continuations": ENDS}),
    ]
    mine, theirs = without_torch(directory, calls), await load_model(f"local:{directory}")
    assert (mine["small"], mine["context_tokens"]) == (theirs.is_small, theirs.context_tokens)
    *written, ranked = mine["said"]
    for (_, asked), said in zip(calls[:-1], written, strict=True):
        done = await theirs.complete(user_prompt(asked["text"], max_output_tokens=40))
        assert (said["text"], said["finish_reason"]) == (done.text, done.finish_reason)
        assert said["usage"] == done.usage.model_dump()
    found = await theirs.rank(TEXTS[0], ENDS)
    assert ranked["log_probabilities"] == pytest.approx(found.log_probabilities, abs=1e-4)
    assert ranked["usage"] == found.usage.model_dump()
    await theirs.close()


async def test_classifier_rejects_too_long_text(tmp_path):
    model = await load_model(f"tensorflow:{untrained.roberta(tmp_path)}")
    assert isinstance(model, ClassifierModel)
    assert not isinstance(model, ChatModel)
    with pytest.raises(PromptTooLarge, match="reads 64"):
        await model.classify("well " * 100)
    alike = await asyncio.gather(*(model.classify(text) for text in TEXTS * 5))
    assert len(alike) == 20
    await model.close()


async def test_invalid_model_gives_one_line_error(tmp_path):
    with pytest.raises(ModelUnusable, match="has no config.json"):
        open_model(f"tensorflow:{tmp_path}", ModelSettings())
    untrained.bert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        ({"hidden_act": "silu"}, "does not know the activation silu"),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, "does not say what its labels mean"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelUnusable, match=message):
            await load_model(f"tensorflow:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ModelUnusable, match="is BertForMaskedLM; known to this engine are"):
        open_model(f"tensorflow:{tmp_path}", ModelSettings())
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"no model")
    with pytest.raises(ModelUnusable, match="cannot be loaded") as failure:
        await load_model(f"tensorflow:{tmp_path}")
    assert "\n" not in str(failure.value)
