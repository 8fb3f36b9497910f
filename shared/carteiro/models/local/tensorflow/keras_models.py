"""BERT, RoBERTa and GPT-2 through KerasHub on TensorFlow: token ids in, logits out.

Only this module uses Keras. KerasHub reads the weights in the format of Transformers. This module adds the parts that
KerasHub ignores: the activation and the epsilon of the configuration, RoBERTa's token type, and the classifier head.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")  # Keras reads it once, at import
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_hub
import numpy
import tensorflow
from safetensors import safe_open

from carteiro.models.errors import ModelUnusable

_GELU_APPROXIMATE = {"gelu": False, "gelu_new": True, "gelu_pytorch_tanh": True}
_CACHE_BLOCK_TOKENS = 64
"""Number of tokens by which a cache grows."""


def configure_threads(threads: int) -> None:
    """Set the number of TensorFlow's threads. Raise `ModelUnusable` if Keras runs on another backend."""
    if keras.backend.backend() != "tensorflow":
        raise ModelUnusable(f"KERAS_BACKEND={keras.backend.backend()}: this engine needs tensorflow")
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # another model has already started TensorFlow, with the same number


class KerasEncoder:
    """BERT or RoBERTa with a classification head."""

    def __init__(self, directory: Path, config: Any) -> None:
        self._is_bert = config.model_type == "bert"
        kind = keras_hub.models.BertBackbone if self._is_bert else keras_hub.models.RobertaBackbone
        self._backbone = kind.from_preset(str(directory))
        self.parameter_count = int(self._backbone.count_params())
        norms = [self._backbone.embeddings_layer_norm]
        for layer in self._backbone.transformer_layers:
            layer._feedforward_intermediate_dense.activation = _activation(config.hidden_act)  # noqa: SLF001
            norms += [layer._self_attention_layer_norm, layer._feedforward_layer_norm]  # noqa: SLF001
        for norm in norms:
            norm.epsilon = config.layer_norm_eps
        names = ["classifier"] if self._is_bert else ["classifier.dense", "classifier.out_proj"]
        wanted = [f"{name}.{part}" for name in names for part in ("weight", "bias")]
        if not self._is_bert:
            wanted.append("roberta.embeddings.token_type_embeddings.weight")
        self._head = _read_tensors(directory, wanted)
        if not self._is_bert:
            # RoBERTa has one token type, so its embedding can be added to every position.
            positions = self._backbone.embeddings.position_embedding.position_embeddings
            positions.assign_add(numpy.broadcast_to(self._head[wanted[-1]][0], positions.shape))

    def compute_logits(self, rows: Sequence[Mapping[str, Sequence[int]]], pad_token_id: int) -> numpy.ndarray:
        """Return the logits of each row, `[rows, labels]`.

        `rows` are outputs of a Transformers tokenizer. They are padded with `pad_token_id`.
        """
        longest = max(len(row["input_ids"]) for row in rows)

        def table(name: str, padding: int) -> numpy.ndarray:
            values = [list(row[name]) for row in rows]
            return numpy.array([each + [padding] * (longest - len(each)) for each in values], dtype="int32")

        inputs = {"token_ids": table("input_ids", pad_token_id), "padding_mask": table("attention_mask", 0)}
        if self._is_bert:
            inputs["segment_ids"] = table("token_type_ids", 0)
        output = self._backbone(inputs)
        if self._is_bert:
            return self._dense("classifier", numpy.asarray(output["pooled_output"]))
        first = numpy.tanh(self._dense("classifier.dense", numpy.asarray(output)[:, 0]))
        return self._dense("classifier.out_proj", first)

    def _dense(self, name: str, inputs: numpy.ndarray) -> numpy.ndarray:
        result: numpy.ndarray = inputs @ self._head[f"{name}.weight"].T + self._head[f"{name}.bias"]
        return result


class KerasDecoder:
    """GPT-2. It reads one row of tokens at a time."""

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
        self.parameter_count = int(backbone.count_params())
        for layer in backbone.transformer_layers:
            layer._feedforward_intermediate_dense.activation = _activation(config.activation_function)  # noqa: SLF001
            for norm in (layer._self_attention_layer_norm, layer._feedforward_layer_norm):  # noqa: SLF001
                norm.epsilon = config.layer_norm_epsilon
        backbone.layer_norm.epsilon = config.layer_norm_epsilon
        heads = (backbone.num_heads, backbone.hidden_dim // backbone.num_heads)
        self._cache_outer_shape, self._cache_head_shape = (1, backbone.num_layers, 2), heads
        # One graph for all lengths of rows and caches is traced only once.
        self._step = tensorflow.function(
            lambda ids, cache, at: self._model.call_with_cache(ids, cache, at)[::2],
            input_signature=[
                tensorflow.TensorSpec((1, None), "int32"),
                tensorflow.TensorSpec((*self._cache_outer_shape, None, *heads), "float32"),
                tensorflow.TensorSpec((), "int32"),
            ],
        )

    def compute_logits(
        self, ids: Sequence[int], cache: Any = None, cached_tokens: int = 0
    ) -> tuple[numpy.ndarray, Any]:
        """Return the logits after each token, `[tokens, vocabulary]`, and the cache for the next tokens.

        `cached_tokens` is the number of tokens in `cache`.
        """
        room = -(-(cached_tokens + len(ids)) // _CACHE_BLOCK_TOKENS) * _CACHE_BLOCK_TOKENS
        if cache is None:
            cache = tensorflow.zeros((*self._cache_outer_shape, room, *self._cache_head_shape))
        elif (more := room - cache.shape[3]) > 0:
            cache = tensorflow.pad(cache, [[0, more if axis == 3 else 0] for axis in range(6)])
        inputs = tensorflow.constant([list(ids)], "int32")
        logits, cache = self._step(inputs, cache, tensorflow.constant(cached_tokens, "int32"))
        return numpy.asarray(logits)[0], cache


def _activation(name: str) -> Any:
    if name == "relu":
        return keras.activations.relu
    if name not in _GELU_APPROXIMATE:
        raise ModelUnusable(
            f"this engine does not know the activation {name}, only {', '.join(_GELU_APPROXIMATE)} or relu"
        )
    return lambda inputs: keras.activations.gelu(inputs, approximate=_GELU_APPROXIMATE[name])


def _read_tensors(directory: Path, names: Sequence[str]) -> dict[str, numpy.ndarray]:
    found: dict[str, numpy.ndarray] = {}
    for file in sorted(directory.glob("*.safetensors")):
        with safe_open(file, framework="numpy") as opened:
            available = set(opened.keys())
            found |= {name: opened.get_tensor(name).astype("float32") for name in names if name in available}
    if missing := [name for name in names if name not in found]:
        raise ModelUnusable(f"{directory} lacks {len(missing)} weights, such as {missing[0]}")
    return found
