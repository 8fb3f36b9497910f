"""From a checkpoint to the model of its family."""

from carteiro.models.in_process.checkpoint import Checkpoint
from carteiro.models.interface import Model
from carteiro.models.local.causal import CausalModel
from carteiro.models.local.classifier import LocalClassifier
from carteiro.models.local.family import Family, family, read_config
from carteiro.models.local.machine import CPU, Machine
from carteiro.models.local.reader import LocalReader
from carteiro.models.local.seq2seq import seq2seq_class


def choose_model(name: str, checkpoint: Checkpoint, timeout: float, machine: Machine = CPU) -> Model:
    """The model, not yet loaded. `timeout` bounds one call, in seconds.

    Raises `ModelUnusable` where the configuration cannot be read, or is none of a model that a task can use.
    """
    config = read_config(checkpoint)
    match family(name, config):
        case Family.CLASSIFIER:
            return LocalClassifier(name, checkpoint, timeout, machine)
        case Family.READER:
            return LocalReader(name, checkpoint, timeout, machine)
        case Family.SEQ2SEQ:
            return seq2seq_class(config)(name, checkpoint, timeout, machine)
        case _:
            return CausalModel(name, checkpoint, timeout, machine)
