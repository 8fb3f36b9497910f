"""Creation of the model that fits the family of a checkpoint."""

from typing import Any

from carteiro.models.interface import Model
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.transformers.causal import TransformersCausalModel
from carteiro.models.local.transformers.classifier import LocalClassifier
from carteiro.models.local.transformers.cross_encoder import LocalCrossEncoder
from carteiro.models.local.transformers.embedder import LocalEmbedder
from carteiro.models.local.transformers.entailment import LocalEntailmentModel, judges_entailment
from carteiro.models.local.transformers.family import ModelFamily, detect_family, read_config
from carteiro.models.local.transformers.placement import CPU, Placement
from carteiro.models.local.transformers.question_answering import LocalQuestionAnsweringModel
from carteiro.models.local.transformers.seq2seq import seq2seq_class


def create_model(name: str, checkpoint: ModelCheckpoint, timeout: float, placement: Placement = CPU) -> Model:
    """Return the model, not yet loaded. `timeout` bounds one call, in seconds.

    Raise `ModelUnusable` if the configuration cannot be read or no task can use its family of models.
    """
    config = read_config(checkpoint)
    match detect_family(name, config):
        case ModelFamily.CLASSIFIER:
            return _classifier_class(config)(name, checkpoint, timeout, placement)
        case ModelFamily.QUESTION_ANSWERING:
            return LocalQuestionAnsweringModel(name, checkpoint, timeout, placement)
        case ModelFamily.EMBEDDER:
            return LocalEmbedder(name, checkpoint, timeout, placement)
        case ModelFamily.SEQ2SEQ:
            return seq2seq_class(config)(name, checkpoint, timeout, placement)
        case _:
            return TransformersCausalModel(name, checkpoint, timeout, placement)


def _classifier_class(config: Any) -> type[LocalCrossEncoder | LocalEntailmentModel | LocalClassifier]:
    """Return the class for a classification head, by its labels."""
    if config.num_labels == 1:
        return LocalCrossEncoder
    return LocalEntailmentModel if judges_entailment(config) else LocalClassifier
