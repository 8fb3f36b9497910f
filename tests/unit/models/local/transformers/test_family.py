"""The family of a model by its configuration."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.transformers.family import ModelFamily, detect_family, read_config


@pytest.mark.parametrize(
    ("model_type", "architectures", "family"),
    [
        ("gpt2", ["GPT2LMHeadModel"], ModelFamily.CAUSAL),
        ("llama", None, ModelFamily.CAUSAL),
        ("t5", ["T5ForConditionalGeneration"], ModelFamily.SEQ2SEQ),
        ("marian", None, ModelFamily.SEQ2SEQ),
        ("bert", ["BertForSequenceClassification"], ModelFamily.CLASSIFIER),
        ("xlnet", ["XLNetForQuestionAnsweringSimple"], ModelFamily.QUESTION_ANSWERING),
        ("bert", ["BertModel"], ModelFamily.EMBEDDER),
    ],
)
def test_family_follows_the_architecture_or_else_the_model_type(
    model_type: str, architectures: list[str] | None, family: ModelFamily
) -> None:
    assert detect_family("x", SimpleNamespace(model_type=model_type, architectures=architectures)) is family


@pytest.mark.parametrize(
    ("model_type", "architectures", "message"),
    [
        ("bert", ["BertForMaskedLM"], "x is BertForMaskedLM, which no task can use"),
        ("bert", ["BertLMHeadModel"], "x is BertLMHeadModel, which no task can use"),
        ("xlnet", None, "x is a xlnet of no named architecture"),
        ("gpt2", ["GPT2Model"], "x is GPT2Model"),
    ],
)
def test_architecture_without_a_task_is_rejected(
    model_type: str, architectures: list[str] | None, message: str
) -> None:
    with pytest.raises(ModelUnusable, match=message):
        detect_family("x", SimpleNamespace(model_type=model_type, architectures=architectures))


def test_gguf_file_is_causal() -> None:
    config = read_config(ModelCheckpoint("/models", "x.gguf"))
    assert config is None
    assert detect_family("x", config) is ModelFamily.CAUSAL


def test_unreadable_configuration_gives_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "no-such-architecture"}')
    with pytest.raises(ModelUnusable, match="cannot be loaded") as caught:
        read_config(ModelCheckpoint(str(tmp_path)))
    assert "\n" not in str(caught.value)
