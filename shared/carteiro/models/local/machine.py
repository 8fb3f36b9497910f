"""Where a local model runs: the device, the numbers it computes with, and how many threads it takes."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

import structlog
import torch

from carteiro.models.failures import ModelUnusable
from carteiro.models.in_process.cores import CGROUP, usable_cores

_CPU = Path("/proc/cpuinfo")

log = structlog.get_logger("carteiro.models")


@dataclass(frozen=True, slots=True)
class Machine:
    """A device and a dtype of PyTorch."""

    device: torch.device
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.device}, {str(self.dtype).removeprefix('torch.')}"


CPU = Machine(torch.device("cpu"), torch.float32)


def choose_machine(device: str = "auto", dtype: str = "auto") -> Machine:
    """The machine of two settings; `auto` is the best that is there. Raises `ModelUnusable` for one that is not.

    The device is CUDA's before Apple's (MPS) before the CPU. The numbers are bfloat16 where the device computes faster
    with them, else float32.
    """
    chosen = _device(device)
    if dtype == "auto":
        return Machine(chosen, torch.bfloat16 if _faster_in_bfloat16(chosen) else torch.float32)
    return Machine(chosen, {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[dtype])


def _device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        # A tensor is what shows whether a device is there; its name alone does not.
        return torch.zeros(1, device=name).device
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ModelUnusable(f"CARTEIRO_LOCAL_DEVICE={name}: this machine or this PyTorch has none: {reason}") from None


def _faster_in_bfloat16(device: torch.device, cpu: Path = _CPU) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    try:
        return device.type == "cpu" and "amx_bf16" in cpu.read_text()
    except OSError:
        return False


def set_threads(wanted: int | None) -> None:
    """Let PyTorch have so many threads; for None, as many as `OMP_NUM_THREADS` says, or one a core that may be used.

    PyTorch itself counts the cores of the machine: in a container that may use two of 64, its threads would mostly
    wait for each other.
    """
    if wanted is None and "OMP_NUM_THREADS" in os.environ:
        return
    threads = wanted or cores()
    if threads != torch.get_num_threads():
        log.info("threads for local models", threads=threads)
        torch.set_num_threads(threads)


def cores(cgroup: Path = CGROUP) -> int:
    """The cores that this process may use, a part of one counted as whole."""
    return math.ceil(usable_cores(cgroup))
