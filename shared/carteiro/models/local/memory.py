"""Whether a model fits into the memory that is free: Linux would let it in, and kill the process later."""

from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import torch

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.cores import CGROUP
from carteiro.models.local.forward import new_cache, read
from carteiro.models.local.machine import CPU, Machine

_ROOM = 1.1
"""What a model needs beside its weights, at the least, as a factor."""
_CACHES = 0.25
"""The share of the free memory for caches, without their padding (as much again) and the work on them."""


def check_memory(location: str, auto_class: Any, config: Any, machine: Machine = CPU) -> None:
    """Raise `ModelUnusable` where the weights are more than what is free on their machine. None is read for that."""
    with torch.device("meta"):
        weights = auto_class.from_config(config).num_parameters()
    needed, free = int(weights * machine.dtype.itemsize * _ROOM), _free(machine.device)
    if needed > free:
        raise ModelUnusable(
            f"{location} needs {_gigabytes(needed)} of memory and {_gigabytes(free)} is free: "
            "take a smaller model or a larger machine"
        )


def _free(device: torch.device) -> int:
    return int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else free_bytes()


def free_bytes(cgroup: Path = CGROUP) -> int:
    """What this process may still take: of the machine's memory, and of its container's (cgroup version 2)."""
    free = int(psutil.virtual_memory().available)
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        counted = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return free
    # Files that were read stay counted until somebody needs the room.
    return free if limit == "max" else min(free, int(limit) - used + int(counted.get("inactive_file", 0)))


def most_cached(model: Any) -> int:
    """How many tokens the caches of a causal model may hold at once: they get a share of what is free now."""
    cache = new_cache(model)
    ids = torch.zeros((1, 2), dtype=torch.long, device=model.device)
    read(model, ids, torch.ones_like(ids), cache=cache)
    held = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values) if tensor is not None]
    a_token = sum(tensor.nbytes for tensor in held) / ids.shape[1]
    return int(_free(model.device) * _CACHES / max(a_token, 1))


def _gigabytes(size: int) -> str:
    return f"{max(size, 0) / 1e9:.1f} GB"
