"""Keys and values of tokens that a causal model has read, kept for prompts that begin with the same tokens.

The kept beginnings form a radix tree, as in SGLang (Zheng et al. 2024, arXiv:2312.07104): prompts share the nodes of
what they have in common, to the token, and the beginning that was not used for the longest time is dropped first.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from carteiro.models.local.text_generation.likelihood import common_prefix_length
from carteiro.models.local.transformers.forward import is_recurrent, new_cache, pad_left

_LENGTH_DEPENDENT_ROPE = ("dynamic", "longrope")
"""Names in types of position encodings whose keys change when a prompt gets longer than those of the training."""
_MIN_SAVED_TOKENS = 64
"""Minimum tokens that a separate pass over a common beginning must save; each pass reads all weights once."""
_KNOWN_COST = 1 / 16
"""Cost of a token whose keys and values are kept, as a share of that of another token: they are copied."""


@dataclass(eq=False, slots=True)
class _Node:
    """Tokens after those of the parent, and their keys and values in all layers, `[tokens, features]`."""

    tokens: tuple[int, ...]
    features: torch.Tensor
    parent: "_Node | None"
    children: "dict[int, _Node]" = field(default_factory=dict)
    """Children by their first token."""


_Path = list[tuple[_Node, int]]
"""Nodes from the top, and how many tokens of each node match."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """Rows of tokens that a model is about to read, padded on the left.

    `ids` are the tokens to read, `[rows, columns]`. `cache` has the keys and values of the columns before them. `mask`
    is 1 for a token and 0 for padding, `[rows, cached columns + columns]`. `cached_tokens` are those of each row.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    cache: DynamicCache
    cached_tokens: Sequence[int]


class PrefixCache:
    """Keys and values of the beginnings of prompts, of at most `max_bytes`; 0 keeps nothing.

    It keeps nothing either if the model has no keys and values for each token, or if they depend on the length of the
    prompt. It is used on the model's thread, except `cost` and `shared_length`.
    """

    def __init__(self, model: Any, max_bytes: int) -> None:
        self._model = model
        self.max_bytes = max_bytes if _has_stable_keys(model) else 0
        self._root = _Node((), torch.empty(0), None)
        # A node is moved to the end after its children, so the first node never has children.
        self._nodes: OrderedDict[_Node, None] = OrderedDict()
        self._shapes: list[tuple[int, int]] = []
        """Heads and their dimensions of the keys and the values of each layer."""
        self._max_tokens = 0
        """Tokens that fit into `max_bytes`; 0 until something was stored."""
        self.bytes = 0
        """Bytes of all kept keys and values."""
        self.changes = 0
        """Number of times that something was stored."""
        self.reused_tokens = 0
        """Tokens that were not read again, of all prompts so far. Callers are not told: it would show them the
        beginnings of others' prompts."""

    @property
    def is_enabled(self) -> bool:
        """True if anything may be kept."""
        return self.max_bytes > 0

    def clear(self) -> None:
        """Drop all."""
        self._root.children.clear()
        self._nodes.clear()
        self.bytes = 0

    def cost(self, tokens: Sequence[int]) -> int:
        """Return the cost of reading tokens, as the number of tokens that cost as much if nothing is known.

        On another thread than the model's it is only an estimate.
        """
        known = self._known_length(tokens)
        return max(1, len(tokens) - known + int(known * _KNOWN_COST))

    def shared_length(self, rows: Sequence[Sequence[int]]) -> int:
        """Return the length of the rows' common beginning if it should be read first, by itself; otherwise 0."""
        if len(rows) < 2 or not self.is_enabled:
            return 0
        ordered = sorted(map(tuple, rows))
        # What the first and the last of sorted rows have in common, all have in common.
        shared = common_prefix_length(ordered[0], ordered[-1])
        if self._max_tokens:
            shared = min(shared, self._max_tokens)
        saved = (shared - self._known_length(ordered[0][:shared])) * (len(rows) - 1)
        return shared if saved >= _MIN_SAVED_TOKENS else 0

    def prefill(self, rows: Sequence[Sequence[int]], *, keep: int = 1) -> Prefill:
        """Return what the model has to read for rows of tokens; at least the last `keep` tokens of each row."""
        ids, mask = pad_left(rows, self._model.device)
        paths = [self._path(tuple(row[:-keep])) for row in rows]
        known = [sum(matched for _, matched in path) for path in paths]
        # A row reads as many tokens as the row with most unknown tokens: padding would take the same time, and could
        # not stand between cached tokens and new ones, because some models count columns.
        columns = max(len(row) - length for row, length in zip(rows, known, strict=True))
        cached = [max(0, len(row) - columns) for row in rows]
        cache = new_cache(self._model)
        if any(cached):
            cache.layers = self._layers(paths, cached)
            self.reused_tokens += sum(cached)
        return Prefill(ids[:, ids.shape[1] - columns :], mask, cache, cached)

    def store(self, rows: Sequence[Sequence[int]], cache: DynamicCache) -> None:
        """Keep the keys and values of rows of tokens that the model has read, each row in the last columns."""
        if not self.is_enabled or not self._read_shapes(cache):
            return
        for number, tokens in enumerate(map(tuple, rows)):
            self._insert(number, tokens, cache)
        self.changes += 1

    def _insert(self, number: int, tokens: tuple[int, ...], cache: DynamicCache) -> None:
        path = self._path(tokens)
        node, matched = path[-1] if path else (self._root, 0)
        known = sum(length for _, length in path)
        layers = [tensor[number] for layer in cache.layers for tensor in (layer.keys, layer.values)]
        tail = tokens[known : self._max_tokens]
        if tail:
            begin = layers[0].shape[1] - len(tokens) + known
            features = torch.cat(
                [tensor[:, begin : begin + len(tail)].transpose(0, 1).flatten(1) for tensor in layers], dim=1
            )
            parent = self._split(node, matched) if matched < len(node.tokens) else node
            node = self._add(tail, features, parent)
        self._touch(node)
        while self.bytes > self.max_bytes:
            self._drop(next(iter(self._nodes)))

    def _known_length(self, tokens: Sequence[int]) -> int:
        return sum(matched for _, matched in self._path(tuple(tokens)))

    def _path(self, tokens: tuple[int, ...]) -> _Path:
        """Return the nodes along the tokens; only the last may match in part."""
        path: _Path = []
        node, known = self._root, 0
        while known < len(tokens) and (child := node.children.get(tokens[known])) is not None:
            own, rest = child.tokens, tokens[known : known + len(child.tokens)]
            matched = len(own) if own == rest else common_prefix_length(own, rest)
            path.append((child, matched))
            if matched < len(own):
                break
            node, known = child, known + matched
        return path

    def _add(self, tokens: tuple[int, ...], features: torch.Tensor, parent: _Node) -> _Node:
        node = _Node(tokens, features, parent)
        parent.children[tokens[0]] = node
        self.bytes += features.nbytes
        return node

    def _split(self, node: _Node, length: int) -> _Node:
        """Return a new node of the first tokens of a node, which keeps the rest below it."""
        assert node.parent is not None, "the root has no tokens"
        # Without copies, each half would hold the memory of both.
        upper = _Node(node.tokens[:length], node.features[:length].clone(), node.parent)
        node.tokens, node.features, node.parent = node.tokens[length:], node.features[length:].clone(), upper
        upper.children[node.tokens[0]] = node
        assert upper.parent is not None, "as the node had one"
        upper.parent.children[upper.tokens[0]] = upper
        return upper

    def _touch(self, node: _Node) -> None:
        """Note the use of a node, and so of those above it."""
        while node.parent is not None:
            self._nodes[node] = None
            self._nodes.move_to_end(node)
            node = node.parent

    def _drop(self, node: _Node) -> None:
        assert node.parent is not None, "the root is not among the nodes"
        del self._nodes[node], node.parent.children[node.tokens[0]]
        self.bytes -= node.features.nbytes

    def _read_shapes(self, cache: DynamicCache) -> bool:
        """Return True if each layer keeps keys and values of each token; if not, nothing is ever kept."""
        if not all(type(layer) is DynamicLayer and layer.is_initialized for layer in cache.layers):
            self.max_bytes = 0
            return False
        tensors = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
        self._shapes = [(tensor.shape[1], tensor.shape[3]) for tensor in tensors]
        features = sum(heads * size for heads, size in self._shapes)
        self._max_tokens = self.max_bytes // (features * tensors[0].element_size())
        self._root.features = tensors[0].new_empty(0)
        return True

    def _layers(self, paths: Sequence[_Path], lengths: Sequence[int]) -> list[DynamicLayer]:
        """Return the layers of a cache with the first tokens of each path, `lengths` tokens, in its last columns."""
        width = max(lengths)
        parts: list[tuple[int, int, torch.Tensor]] = []
        for row, (path, length) in enumerate(zip(paths, lengths, strict=True)):
            column = width - length
            for node, matched in path:
                part = node.features[: min(matched, width - column)]
                parts.append((row, column, part))
                column += len(part)
            if length:
                self._touch(path[-1][0])
        layers, begin = [], 0
        for keys_shape, values_shape in zip(self._shapes[::2], self._shapes[1::2], strict=True):
            layers.append(layer := DynamicLayer())
            tensors = []
            for heads, size in (keys_shape, values_shape):
                tensors.append(tensor := self._root.features.new_zeros((len(paths), heads, width, size)))
                for row, column, part in parts:
                    own = part[:, begin : begin + heads * size].unflatten(1, (heads, size))
                    tensor[row, :, column : column + len(part)] = own.transpose(0, 1)
                begin += heads * size
            layer.lazy_initialization(*tensors)
            # Its `update` would copy them once more.
            layer.keys, layer.values = tensors
        return layers


def _has_stable_keys(model: Any) -> bool:
    """Return True if the keys and values of a token depend only on the tokens up to it."""
    parameters = getattr(model.config.get_text_config(decoder=True), "rope_parameters", None) or {}
    # Models with several kinds of layers have parameters for each kind.
    kinds = [parameters, *(each for each in parameters.values() if isinstance(each, dict))]
    types = " ".join(str(each.get("rope_type")) for each in kinds)
    return not is_recurrent(model) and not any(name in types for name in _LENGTH_DEPENDENT_ROPE)
