"""The class of a model by its family."""

import json
from pathlib import Path

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint, find_checkpoint
from carteiro.models.local.inference.in_process_model import InProcessModel
from carteiro.models.local.transformers.causal import TransformersCausalModel
from carteiro.models.local.transformers.classifier import LocalClassifier
from carteiro.models.local.transformers.embedder import LocalEmbedder
from carteiro.models.local.transformers.factory import create_model
from carteiro.models.local.transformers.question_answering import LocalQuestionAnsweringModel
from carteiro.models.local.transformers.seq2seq import TransformersSummarizer, TransformersTranslator


@pytest.mark.parametrize(
    ("model_type", "architecture", "expected"),
    [
        ("gpt2", "GPT2LMHeadModel", TransformersCausalModel),
        ("bert", "BertForSequenceClassification", LocalClassifier),
        ("bert", "BertForQuestionAnswering", LocalQuestionAnsweringModel),
        ("bert", "BertModel", LocalEmbedder),
        ("bart", "BartForConditionalGeneration", TransformersSummarizer),
        ("marian", "MarianMTModel", TransformersTranslator),
    ],
)
async def test_model_has_the_class_of_its_family(
    tmp_path: Path, model_type: str, architecture: str, expected: type[InProcessModel]
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": model_type, "architectures": [architecture]}))
    model = create_model("local:x", find_checkpoint(str(tmp_path)), 60)
    assert type(model) is expected
    await model.close()


async def test_gguf_file_is_a_causal_model() -> None:
    model = create_model("local:x", ModelCheckpoint("/models", "x.gguf"), 60)
    assert type(model) is TransformersCausalModel
    await model.close()


def test_model_without_a_task_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertForMaskedLM"]}')
    with pytest.raises(ModelUnusable, match="local:x is BertForMaskedLM"):
        create_model("local:x", find_checkpoint(str(tmp_path)), 60)
