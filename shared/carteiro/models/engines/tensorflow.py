"""From a directory of Transformers to the model of its family through TensorFlow, without torch."""

from pathlib import Path

from carteiro.models.engines.directory import read_config
from carteiro.models.engines.keras_causal import KerasCausal
from carteiro.models.engines.keras_classifier import KerasClassifier
from carteiro.models.failures import ModelUnusable
from carteiro.models.interface import Model

_KINDS = {
    "BertForSequenceClassification": KerasClassifier,
    "RobertaForSequenceClassification": KerasClassifier,
    "GPT2LMHeadModel": KerasCausal,
}


def open_model(name: str, where: str, timeout: float, threads: int) -> Model:
    """The model of a directory, not yet loaded. Raises `ModelUnusable`."""
    directory = Path(where).expanduser()
    if not (directory / "config.json").is_file():
        raise ModelUnusable(f"{directory} holds no model: it has no config.json")
    config = read_config(directory)
    for architecture in config.architectures or ():
        if architecture in _KINDS:
            return _KINDS[architecture](name, directory, config, timeout, threads)
    what = " and ".join(config.architectures or ()) or "of no named architecture"
    raise ModelUnusable(f"{directory} is {what}; known to this engine are {', '.join(_KINDS)}")
