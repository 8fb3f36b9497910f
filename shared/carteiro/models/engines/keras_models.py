"""BERT, RoBERTa and GPT-2 by KerasHub with TensorFlow as its backend: numbers in, logits out.

Only this module knows Keras. KerasHub reads the weights that Transformers saved; what it leaves out is put right here:
the activation and the epsilon of the configuration, RoBERTa's token type, and the head of a classifier.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # read once, when keras is imported
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy
import tensorflow
from safetensors import safe_open

from carteiro.models.failures import ModelUnusable

_APPROXIMATE = {"gelu": False, "gelu_new": True, "gelu_pytorch_tanh": True}
_BLOCK = 64
"""Caches grow by so many tokens."""


def use_threads(threads: int) -> None:
    """Let TensorFlow have so many threads. Raises `ModelUnusable` where Keras was begun with another backend."""
    if keras.backend.backend() != "tensorflow":
        raise ModelUnusable(f"KERAS_BACKEND={keras.backend.backend()}: this engine needs tensorflow")
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # another model has begun already, with as many


class Encoder:
    """A BERT or a RoBERTa with its classification head."""

    def __init__(self, directory: Path, config: Any) -> None:
        self._bert = config.model_type == "bert"
        kind = keras_hub.models.BertBackbone if self._bert else keras_hub.models.RobertaBackbone
        self._backbone = kind.from_preset(str(directory))
        self.parameters = int(self._backbone.count_params())
        norms = [self._backbone.embeddings_layer_norm]
        for layer in self._backbone.transformer_layers:
            layer._feedforward_intermediate_dense.activation = _activation(config.hidden_act)  # noqa: SLF001
            norms += [layer._self_attention_layer_norm, layer._feedforward_layer_norm]  # noqa: SLF001
        for norm in norms:
            norm.epsilon = config.layer_norm_eps
        names = ["classifier"] if self._bert else ["classifier.dense", "classifier.out_proj"]
        wanted = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
        if not self._bert:
            wanted.append("roberta.embeddings.token_type_embeddings.weight")
        self._head = _weights(directory, wanted)
        if not self._bert:
            # There is one type, so its embedding can as well be the positions'.
            positions = self._backbone.embeddings.position_embedding.position_embeddings
            positions.assign_add(numpy.broadcast_to(self._head[wanted[-1]][0], positions.shape))

    def logits(self, rows: Sequence[Mapping[str, Sequence[int]]], padding: int) -> numpy.ndarray:
        """The logits of each row of tokens, as Transformers' tokenizers make them; they are padded with `padding`."""
        longest = max(len(row["input_ids"]) for row in rows)

        def table(name: str, filled: int) -> numpy.ndarray:
            given = [list(row[name]) for row in rows]
            return numpy.array([each + [filled] * (longest - len(each)) for each in given], dtype="int32")

        inputs = {"token_ids": table("input_ids", padding), "padding_mask": table("attention_mask", 0)}
        if self._bert:
            inputs["segment_ids"] = table("token_type_ids", 0)
        output = self._backbone(inputs)
        if self._bert:
            return self._dense("classifier", numpy.asarray(output["pooled_output"]))
        first = numpy.tanh(self._dense("classifier.dense", numpy.asarray(output)[:, 0]))
        return self._dense("classifier.out_proj", first)

    def _dense(self, name: str, given: numpy.ndarray) -> numpy.ndarray:
        result: numpy.ndarray = given @ self._head[f"{name}.weight"].T + self._head[f"{name}.bias"]
        return result


class Decoder:
    """A GPT-2. It reads one row of tokens after the other."""

    def __init__(self, directory: Path, config: Any) -> None:
        inner = getattr(config, "n_inner", None)
        changed = [
            name for name in ("scale_attn_by_inverse_layer_idx", "add_cross_attention") if getattr(config, name, False)
        ]
        if inner not in (None, 4 * config.n_embd):
            changed.append(f"n_inner={inner}")
        if not getattr(config, "tie_word_embeddings", True):
            changed.append("tie_word_embeddings=false")
        if changed:
            raise ModelUnusable(f"{directory} is a GPT-2 that KerasHub does not have: {', '.join(changed)}")
        self._model = keras_hub.models.GPT2CausalLM.from_preset(str(directory), preprocessor=None)
        backbone = self._model.backbone
        self.parameters = int(backbone.count_params())
        for layer in backbone.transformer_layers:
            layer._feedforward_intermediate_dense.activation = _activation(config.activation_function)  # noqa: SLF001
            for norm in (layer._self_attention_layer_norm, layer._feedforward_layer_norm):  # noqa: SLF001
                norm.epsilon = config.layer_norm_epsilon
        backbone.layer_norm.epsilon = config.layer_norm_epsilon
        heads = (backbone.num_heads, backbone.hidden_dim // backbone.num_heads)
        self._before, self._heads = (1, backbone.num_layers, 2), heads
        # One graph for rows and caches of every length: it is made once.
        self._step = tensorflow.function(
            lambda ids, cache, at: self._model.call_with_cache(ids, cache, at)[::2],
            input_signature=[
                tensorflow.TensorSpec((1, None), "int32"),
                tensorflow.TensorSpec((*self._before, None, *heads), "float32"),
                tensorflow.TensorSpec((), "int32"),
            ],
        )

    def read(self, ids: Sequence[int], cache: Any = None, after: int = 0) -> tuple[numpy.ndarray, Any]:
        """The logits after each of the tokens, and the cache that has them, for those that follow.

        `after` tokens are in the given cache already.
        """
        room = -(-(after + len(ids)) // _BLOCK) * _BLOCK
        if cache is None:
            cache = tensorflow.zeros((*self._before, room, *self._heads))
        elif (more := room - cache.shape[3]) > 0:
            cache = tensorflow.pad(cache, [[0, more if axis == 3 else 0] for axis in range(6)])
        given = tensorflow.constant([list(ids)], "int32")
        logits, cache = self._step(given, cache, tensorflow.constant(after, "int32"))
        return numpy.asarray(logits)[0], cache


def _activation(name: str) -> Any:
    if name == "relu":
        return keras.activations.relu
    if name not in _APPROXIMATE:
        raise ModelUnusable(f"the activation {name} is none that this engine knows: {', '.join(_APPROXIMATE)} or relu")
    return lambda given: keras.activations.gelu(given, approximate=_APPROXIMATE[name])


def _weights(directory: Path, names: Sequence[str]) -> dict[str, numpy.ndarray]:
    found: dict[str, numpy.ndarray] = {}
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as opened:
            there = set(opened.keys())
            found |= {name: opened.get_tensor(name).astype("float32") for name in names if name in there}
    if missing := [name for name in names if name not in found]:
        raise ModelUnusable(f"{directory} lacks {len(missing)} weights, such as {missing[0]}")
    return found
