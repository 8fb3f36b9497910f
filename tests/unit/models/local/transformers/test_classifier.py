"""Sequence classification models: correct on held-out examples, and equal to direct calls of Transformers."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Config, GPT2ForSequenceClassification

from carteiro.models.errors import ModelUnusable, PromptTooLarge, Unsupported
from carteiro.models.interface import ClassifierModel
from carteiro.schemas.sentiment import SentimentRequest
from services.sentiment.task import sentiment
from tests.unit.models.local import toys
from tests.unit.models.local.conftest import ENCODERS

pytestmark = [pytest.mark.slow, pytest.mark.long]
HELD_OUT = toys.sentiments()[int(0.8 * len(toys.sentiments())) :]


@pytest.fixture(params=ENCODERS)
def directory(request: pytest.FixtureRequest, made) -> Path:
    return made("classifier", request.param)


def copied(directory: Path, to: Path, **config: object) -> Path:
    shutil.copytree(directory, to)
    known = json.loads((to / "config.json").read_text())
    (to / "config.json").write_text(json.dumps(known | config))
    return to


async def test_held_out_texts_get_their_label(directory, load):
    model = await load(directory)
    assert isinstance(model, ClassifierModel)
    for text, label in HELD_OUT:
        done = await sentiment(SentimentRequest(text=text), model)
        assert done.result.label == label, text
        assert sum(done.result.scores.values()) == pytest.approx(1, abs=1e-3)


async def test_probabilities_equal_transformers_in_batch_and_without(directory, load):
    model = await load(directory)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    plain = AutoModelForSequenceClassification.from_pretrained(directory)
    texts = [text for text, _ in HELD_OUT[:24]] + ["the room 🎉 was 東京 .", "great", "café"]
    expected = []
    for text in texts:
        with torch.inference_mode():
            logits = plain(**tokenizer(text, return_tensors="pt")).logits[0]
        expected.append({plain.config.id2label[at]: float(p) for at, p in enumerate(logits.softmax(-1))})
    together = await asyncio.gather(*(model.classify(text) for text in texts))
    alone = [await model.classify(text) for text in texts]
    for text, one, other, right in zip(texts, together, alone, expected, strict=True):
        assert list(one.probabilities) == toys.LABELS
        assert dict(one.probabilities) == pytest.approx(right, abs=1e-4), text
        assert dict(other.probabilities) == pytest.approx(right, abs=1e-4), text
        assert one.usage.input_tokens == len(tokenizer(text)["input_ids"])


async def test_too_long_text_is_rejected_and_not_cut(directory, load):
    model = await load(directory)
    assert model.context_tokens == 64
    texts = [" ".join(["the"] * count) for count in range(1, 80)]
    sizes = {text: len(model._tokenizer(text)["input_ids"]) for text in texts}
    longest = max((text for text in texts if sizes[text] <= 64), key=len)
    assert (await model.classify(longest)).usage.input_tokens == sizes[longest]
    with pytest.raises(PromptTooLarge, match=r"tokens; .* reads 64"):
        await model.classify(min((text for text in texts if sizes[text] > 64), key=len))


async def test_scores_are_those_of_the_requested_labels(made, load):
    model = await load(made("classifier", "bert"))
    text, _label = next(each for each in HELD_OUT if each[1] == "negative")
    done = await sentiment(SentimentRequest(text=text, labels=["Positive", "NEG"]), model)
    assert (done.result.label, set(done.result.scores)) == ("NEG", {"Positive", "NEG"})
    assert sum(done.result.scores.values()) == pytest.approx(1, abs=1e-3)
    with pytest.raises(Unsupported, match=r"no label 'angry'; it has neutral, positive, negative"):
        await sentiment(SentimentRequest(text=text, labels=["angry", "positive"]), model)


async def test_labels_without_synonym_keep_their_names(made, load, tmp_path):
    names = {"0": "Dull", "1": "POS", "2": "LABEL_2"}
    model = await load(copied(made("classifier", "bert"), tmp_path / "named", id2label=names))
    text, _ = next(each for each in HELD_OUT if each[1] == "positive")
    done = await sentiment(SentimentRequest(text=text), model)
    assert (done.result.label, list(done.result.scores)) == ("positive", ["Dull", "positive", "LABEL_2"])


async def test_multi_label_probabilities_are_independent(made, load, tmp_path):
    changed = copied(made("classifier", "bert"), tmp_path / "each", problem_type="multi_label_classification")
    model = await load(changed)
    text = HELD_OUT[0][0]
    with torch.inference_mode():
        plain = AutoModelForSequenceClassification.from_pretrained(changed)
        expected = plain(**AutoTokenizer.from_pretrained(changed)(text, return_tensors="pt")).logits[0].sigmoid()
    assert list((await model.classify(text)).probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}, "name them under id2label"),
        ({"problem_type": "regression"}, "gives a number, not labels"),
    ],
)
async def test_meaningless_labels_are_rejected_at_load(made, load, tmp_path, config, message):
    with pytest.raises(ModelUnusable, match=message):
        await load(copied(made("classifier", "bert"), tmp_path / "unnamed", **config))


async def test_gpt2_classifier_without_padding_token_equals_transformers(made, load, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained(made("classifier", "roberta"))
    tokenizer.pad_token = None
    torch.manual_seed(0)
    names = dict(enumerate(toys.LABELS))
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=32, n_layer=1, n_head=2, n_positions=64, id2label=names, eos_token_id=2
    )
    plain = GPT2ForSequenceClassification(config).eval()
    plain.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = await load(tmp_path)
    texts = ["the room was great .", "awful", "well , the book was grey ."]
    found = await asyncio.gather(*(model.classify(text) for text in texts))
    for text, each in zip(texts, found, strict=True):
        expected = plain(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
        assert list(each.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-4)
