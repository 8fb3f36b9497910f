"""Check that a model fits into the free memory. Linux would allow the allocation and kill the process later."""

from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.inference.cores import CGROUP
from carteiro.models.local.transformers.forward import compute_logits, new_cache
from carteiro.models.local.transformers.placement import CPU, Placement

_WEIGHTS_OVERHEAD = 1.1
"""Minimum memory of a loaded model, as a factor of the size of its weights."""
_CACHE_MEMORY_SHARE = 0.25
"""Share of the free memory for cached tokens. Padding may double it, and the computation needs the rest."""
_PREFIX_MEMORY_SHARE = 0.03
_MAX_PREFIX_BYTES = 2**29
"""Memory for the beginnings of prompts that are kept: a share of the free memory, but at most 512 MiB."""


def check_memory(location: str, auto_class: Any, config: Any, placement: Placement = CPU) -> None:
    """Raise `ModelUnusable` if the weights need more memory than is free on their device. Reads no weights."""
    with torch.device("meta"):
        weights = auto_class.from_config(config).num_parameters()
    needed, free = int(weights * placement.dtype.itemsize * _WEIGHTS_OVERHEAD), _free_device_bytes(placement.device)
    if needed > free:
        raise ModelUnusable(
            f"{location} needs {_gigabytes(needed)} of memory and {_gigabytes(free)} is free: "
            "take a smaller model or a larger machine"
        )


def _free_device_bytes(device: torch.device) -> int:
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_bytes()


def free_bytes(cgroup: Path = CGROUP) -> int:
    """Return the bytes that this process may still allocate, by the machine's and the container's limit (cgroup v2)."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        stats = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return free
    # The kernel counts cached file pages as used, but frees them when a process needs the memory.
    return free if limit == "max" else min(free, int(limit) - used + int(stats.get("inactive_file", 0)))


def max_cached_tokens(model: Any) -> int:
    """Return the maximum number of tokens in the caches of a causal model: a share of the memory that is free now."""
    cache = new_cache(model)
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    compute_logits(model, ids, torch.ones_like(ids), cache=cache)
    tensors = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]
    token_bytes = sum(tensor.nbytes for tensor in tensors) / ids.shape[1]
    return int(_free_device_bytes(model.device) * _CACHE_MEMORY_SHARE / max(token_bytes, 1))


def max_prefix_bytes(model: Any) -> int:
    """Return the maximum bytes of the beginnings of prompts that are kept for a causal model."""
    return min(int(_free_device_bytes(model.device) * _PREFIX_MEMORY_SHARE), _MAX_PREFIX_BYTES)


def _gigabytes(size: int) -> str:
    return f"{max(size, 0) / 1e9:.1f} GB"
