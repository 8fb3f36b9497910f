"""BERT, RoBERTa and GPT-2 through TensorFlow: the logits of Transformers, and no torch."""

import asyncio
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carteiro.models.failures import ModelUnusable, PromptTooLarge
from carteiro.models.interface import ChatModel, ClassifierModel
from carteiro.models.opening import open_model
from carteiro.models.settings import ModelSettings
from tests.unit.models import untrained
from tests.unit.models.asking import opened, user

pytest.importorskip("keras_hub", reason="pip install 'carteiro[tensorflow]'")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[4]
TEXTS = ["the room was great .", "as we said , the food was awful .", "", "well " * 10]
ENDS = [" great", " was awful", "!"]


def without_torch(directory: Path, calls: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.unit.models.engines.without_torch", f"tensorflow:{directory}"]
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
async def test_a_classifier_says_what_transformers_says_without_torch(tmp_path, family, options):
    directory = getattr(untrained, family)(tmp_path, **options)
    mine, theirs = (
        without_torch(directory, [("classify", {"text": text}) for text in TEXTS]),
        await opened(f"local:{directory}"),
    )
    assert (mine["small"], mine["context_tokens"]) == (theirs.small, theirs.context_tokens)
    for text, said in zip(TEXTS, mine["said"], strict=True):
        found = await theirs.classify(text)
        assert list(said["probabilities"]) == list(found.probabilities)
        # The logarithms of probabilities are the logits, less one number that is the same for all.
        logits = [[math.log(each) for each in one.values()] for one in (said["probabilities"], found.probabilities)]
        assert logits[0] == pytest.approx(logits[1], abs=1e-4)
        assert said["usage"]["input_tokens"] == found.usage.input_tokens
    await theirs.close()


async def test_gpt2_says_what_transformers_says_without_torch(tmp_path):
    directory = untrained.gpt2(tmp_path)
    calls: list[tuple[str, dict[str, Any]]] = [
        *(("complete", {"text": text, "max_output_tokens": 40}) for text in TEXTS if text),
        ("rank", {"text": TEXTS[0], "continuations": ENDS}),
    ]
    mine, theirs = without_torch(directory, calls), await opened(f"local:{directory}")
    assert (mine["small"], mine["context_tokens"]) == (theirs.small, theirs.context_tokens)
    *written, ranked = mine["said"]
    for (_, asked), said in zip(calls[:-1], written, strict=True):
        done = await theirs.complete(user(asked["text"], max_output_tokens=40))
        assert (said["text"], said["finish_reason"]) == (done.text, done.finish_reason)
        assert said["usage"] == done.usage.model_dump()
    found = await theirs.rank(TEXTS[0], ENDS)
    assert ranked["log_probabilities"] == pytest.approx(found.log_probabilities, abs=1e-4)
    assert ranked["usage"] == found.usage.model_dump()
    await theirs.close()


async def test_a_text_that_does_not_fit_a_classifier_is_refused(tmp_path):
    model = await opened(f"tensorflow:{untrained.roberta(tmp_path)}")
    assert isinstance(model, ClassifierModel)
    assert not isinstance(model, ChatModel)
    with pytest.raises(PromptTooLarge, match="reads 64"):
        await model.classify("well " * 100)
    alike = await asyncio.gather(*(model.classify(text) for text in TEXTS * 5))
    assert len(alike) == 20
    await model.close()


async def test_what_is_no_model_is_said_in_one_line(tmp_path):
    with pytest.raises(ModelUnusable, match="has no config.json"):
        open_model(f"tensorflow:{tmp_path}", ModelSettings())
    untrained.bert(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for change, said in (
        ({"hidden_act": "silu"}, "the activation silu is none"),
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}}, "does not say what its labels mean"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelUnusable, match=said):
            await opened(f"tensorflow:{tmp_path}")
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(ModelUnusable, match="is BertForMaskedLM; known to this engine are"):
        open_model(f"tensorflow:{tmp_path}", ModelSettings())
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "model.safetensors").write_bytes(b"no model")
    with pytest.raises(ModelUnusable, match="cannot be loaded") as failure:
        await opened(f"tensorflow:{tmp_path}")
    assert "\n" not in str(failure.value)
