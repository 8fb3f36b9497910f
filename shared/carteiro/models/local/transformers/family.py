"""The family of a model, detected by the architecture in its configuration only."""

from enum import Enum
from typing import Any

from transformers import AutoConfig
from transformers.models.auto import modeling_auto as auto

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.checkpoints.checkpoint import ModelCheckpoint
from carteiro.models.local.inference.error_messages import load_error


class ModelFamily(Enum):
    """Family of a local model; the value is its name in an error message."""

    CAUSAL = "a causal language model (GPT-2, Llama, Qwen, Gemma, SmolLM and their like)"
    SEQ2SEQ = "an encoder-decoder (T5, BART, Marian, NLLB and their kin)"
    CLASSIFIER = "a model with a sequence classification head (BERT, RoBERTa, XLNet and others)"
    QUESTION_ANSWERING = "a model with a question answering head (BERT, RoBERTa, XLNet and others)"
    EMBEDDER = "an embedding model (BERT, MPNet and others without a head, as Sentence Transformers saves them)"


def read_config(checkpoint: ModelCheckpoint) -> Any:
    """Return the configuration from the directory, the hub's cache or the hub; None for a GGUF file, which contains it.

    Raise `ModelUnusable` if it cannot be read.
    """
    if checkpoint.gguf_file:
        return None
    try:
        return AutoConfig.from_pretrained(checkpoint.location, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001  # Transformers raises any error of the libraries below it
        raise load_error(checkpoint.location, error) from None


def detect_family(location: str, config: Any) -> ModelFamily:
    """Return the family of a configuration; None (a GGUF file) is causal.

    Raise `ModelUnusable` if no task can use the architecture.
    """
    if config is None:
        return ModelFamily.CAUSAL
    architectures = list(config.architectures or ())
    for architecture in architectures:
        if found := _family_of_architecture(architecture, config.model_type):
            return found
    if not architectures and (found := _family_of_model_type(config.model_type)):
        return found
    what = " and ".join(architectures) or f"a {config.model_type} of no named architecture"
    known = "; ".join(each.value for each in ModelFamily)
    raise ModelUnusable(f"{location} is {what}, which no task can use; known are: {known}")


def _family_of_architecture(architecture: str, model_type: str) -> ModelFamily | None:
    if architecture.endswith("ForSequenceClassification"):
        return ModelFamily.CLASSIFIER
    if architecture.endswith(("ForQuestionAnswering", "ForQuestionAnsweringSimple")):
        return ModelFamily.QUESTION_ANSWERING
    if architecture in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values():
        return ModelFamily.SEQ2SEQ
    if architecture in _causal_architectures(model_type):
        return ModelFamily.CAUSAL
    headless = auto.MODEL_MAPPING_NAMES.get(model_type)
    return (
        ModelFamily.EMBEDDER
        if architecture == headless and model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        else None
    )


def _family_of_model_type(model_type: str) -> ModelFamily | None:
    if model_type in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return ModelFamily.SEQ2SEQ
    return ModelFamily.CAUSAL if _causal_architectures(model_type) else None


def _causal_architectures(model_type: str) -> list[str]:
    """Return the causal architectures of a model type; none for BERT-like models and XLNet, not trained for them."""
    if model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES or model_type == "xlnet":
        return []
    names = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type, [])
    return [names] if isinstance(names, str) else list(names)
