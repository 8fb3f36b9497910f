"""Creation of a TensorFlow model from a directory in the format of Transformers, without torch."""

from pathlib import Path

from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import Model
from carteiro.models.local.checkpoints.config_files import read_config
from carteiro.models.local.tensorflow.keras_causal import KerasCausalModel
from carteiro.models.local.tensorflow.keras_classifier import KerasClassifier

_MODEL_CLASSES = {
    "BertForSequenceClassification": KerasClassifier,
    "RobertaForSequenceClassification": KerasClassifier,
    "GPT2LMHeadModel": KerasCausalModel,
}


def open_model(name: str, source: str, timeout: float, threads: int) -> Model:
    """Return the model of a directory, not yet loaded. `timeout` bounds one call, in seconds.

    Raise `ModelUnusable` if the directory has no model or its architecture is not supported.
    """
    directory = Path(source).expanduser()
    if not (directory / "config.json").is_file():
        raise ModelUnusable(f"{directory} holds no model: it has no config.json")
    config = read_config(directory)
    for architecture in config.architectures or ():
        if architecture in _MODEL_CLASSES:
            return _MODEL_CLASSES[architecture](name, directory, config, timeout, threads)
    what = " and ".join(config.architectures or ()) or "of no named architecture"
    raise ModelUnusable(f"{directory} is {what}; known to this engine are {', '.join(_MODEL_CLASSES)}")
