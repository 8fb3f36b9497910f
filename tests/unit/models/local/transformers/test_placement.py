"""Placement of local models: device, dtype and threads."""

import pytest
import torch

from carteiro.models.errors import ModelUnusable
from carteiro.models.local.transformers import placement
from carteiro.models.local.transformers.placement import choose_placement, set_threads, usable_core_count


def test_best_device_is_chosen_unless_configured():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_placement().device.type == best
    assert str(choose_placement("cpu", "bfloat16")) == "cpu, bfloat16"
    assert str(choose_placement("cpu", "float32")) == "cpu, float32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_device_gives_one_line_error():
    with pytest.raises(
        ModelUnusable, match="CARTEIRO_LOCAL_DEVICE=cuda:1: this machine or this PyTorch has none"
    ) as failure:
        choose_placement("cuda:1")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize(("flags", "faster"), [("sse avx512_bf16 amx_bf16", True), ("sse avx2", False)])
def test_bfloat16_is_used_only_on_a_cpu_with_amx(tmp_path, flags, faster):
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    assert placement._is_faster_in_bfloat16(torch.device("cpu"), tmp_path / "cpuinfo") is faster
    assert not placement._is_faster_in_bfloat16(torch.device("cpu"), tmp_path / "absent")


@pytest.mark.parametrize(("given", "expected"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)])
def test_usable_cores_follow_container_quota(tmp_path, monkeypatch, given, expected):
    monkeypatch.setattr(placement.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert usable_core_count(tmp_path) == 64
    (tmp_path / "cpu.max").write_text(given)
    assert usable_core_count(tmp_path) == (expected or 64)


def test_threads_follow_setting_then_environment_then_cores(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    try:
        set_threads(3)
        assert torch.get_num_threads() == 3
        set_threads(None)
        assert torch.get_num_threads() == usable_core_count()
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        set_threads(None)
        assert torch.get_num_threads() == usable_core_count(), "OMP_NUM_THREADS leaves the number of threads unchanged"
    finally:
        torch.set_num_threads(before)
