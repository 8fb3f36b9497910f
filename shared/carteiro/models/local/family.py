"""What kind of model a checkpoint is, by its own configuration: its architecture, and that alone."""

from enum import Enum
from typing import Any

from transformers import AutoConfig
from transformers.models.auto import modeling_auto as auto

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.checkpoint import Checkpoint
from carteiro.models.in_process.reasons import unusable


class Family(Enum):
    """What a local model can be; the value is how a sentence calls it."""

    CAUSAL = "a causal language model (GPT-2, Llama, Qwen, Gemma, SmolLM and their like)"
    SEQ2SEQ = "an encoder-decoder (T5, BART, Marian, NLLB and their kin)"
    CLASSIFIER = "a model with a sequence classification head (BERT, RoBERTa, XLNet and others)"
    READER = "a model with a question answering head (BERT, RoBERTa, XLNet and others)"


def read_config(checkpoint: Checkpoint) -> Any:
    """The configuration, from the directory, the hub's cache or the hub; None for a GGUF file, which holds it inside.

    Raises `ModelUnusable`.
    """
    if checkpoint.gguf_file:
        return None
    try:
        return AutoConfig.from_pretrained(checkpoint.location, trust_remote_code=False)
    except Exception as error:  # noqa: BLE001  # Transformers raises whatever the libraries below it raise
        raise unusable(checkpoint.location, error) from None


def family(location: str, config: Any) -> Family:
    """The family of a configuration; a GGUF file, which has None, is causal. Raises `ModelUnusable` for any other."""
    if config is None:
        return Family.CAUSAL
    architectures = list(config.architectures or ())
    for architecture in architectures:
        if found := _by_architecture(architecture, config.model_type):
            return found
    if not architectures and (found := _by_type(config.model_type)):
        return found
    what = " and ".join(architectures) or f"a {config.model_type} of no named architecture"
    known = "; ".join(each.value for each in Family)
    raise ModelUnusable(f"{location} is {what}, which no task can use; known are: {known}")


def _by_architecture(architecture: str, model_type: str) -> Family | None:
    if architecture.endswith("ForSequenceClassification"):
        return Family.CLASSIFIER
    if architecture.endswith(("ForQuestionAnswering", "ForQuestionAnsweringSimple")):
        return Family.READER
    if architecture in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES.values():
        return Family.SEQ2SEQ
    return Family.CAUSAL if architecture in _causal_of(model_type) else None


def _by_type(model_type: str) -> Family | None:
    if model_type in auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return Family.SEQ2SEQ
    return Family.CAUSAL if _causal_of(model_type) else None


def _causal_of(model_type: str) -> list[str]:
    """The causal architectures of a type. BERT's kin and XLNet have one on paper: they were not trained for it."""
    if model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES or model_type == "xlnet":
        return []
    names = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type, [])
    return [names] if isinstance(names, str) else list(names)
