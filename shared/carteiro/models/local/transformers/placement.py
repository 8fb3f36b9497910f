"""The placement of a local model: its device, its number format and its threads."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.inference.cores import CGROUP, usable_cores

_CPUINFO = Path("/proc/cpuinfo")

log = structlog.get_logger("carteiro.models")


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and dtype of PyTorch for a model."""

    device: torch.device
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


CPU = Placement(torch.device("cpu"), torch.float32)


def choose_placement(device: str = "auto", dtype: str = "auto") -> Placement:
    """Return the placement for two settings; `auto` chooses the best device and dtype available.

    The order of devices is CUDA, Apple's MPS, CPU. The dtype is bfloat16 if the device computes faster with it,
    otherwise float32. Raise `ModelUnusable` if the device does not exist.
    """
    chosen = _device(device)
    if dtype == "auto":
        return Placement(chosen, torch.bfloat16 if _is_faster_in_bfloat16(chosen) else torch.float32)
    return Placement(chosen, {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype])


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        # Only the creation of a tensor shows that a device exists; PyTorch accepts the name of a missing device.
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelUnusable(f"CARTEIRO_LOCAL_DEVICE={name}: this machine or this PyTorch has none: {reason}") from None


def _is_faster_in_bfloat16(device: torch.device, cpuinfo: Path = _CPUINFO) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        return device.type == "cpu" and "amx_bf16" in cpuinfo.read_text()
    except OSError:
        return False


def set_threads(requested: int | None) -> None:
    """Set the number of PyTorch's threads.

    For None, keep `OMP_NUM_THREADS` if it is set; otherwise use one thread for each core that this process may use.
    PyTorch itself counts the cores of the machine: in a container that may use 2 of 64 cores, its threads would mostly
    wait for each other.
    """
    if requested is None and "OMP_NUM_THREADS" in os.environ:
        return
    threads = requested or usable_core_count()
    if threads != torch.get_num_threads():
        log.info("threads for local models", threads=threads)
        torch.set_num_threads(threads)


def usable_core_count(cgroup: Path = CGROUP) -> int:
    """Return the number of cores that this process may use, rounded up."""
    return math.ceil(usable_cores(cgroup))
