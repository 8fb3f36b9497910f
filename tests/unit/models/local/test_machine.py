"""Where a local model runs, and with what."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from carteiro.models.failures import ModelUnusable
from carteiro.models.local import machine
from carteiro.models.local.machine import choose_machine, cores, set_threads
from carteiro.models.local.memory import most_cached


def test_the_best_that_is_there_unless_told_otherwise():
    there = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert choose_machine().device.type == there
    assert str(choose_machine("cpu", "bfloat16")) == "cpu, bfloat16"
    assert str(choose_machine("cpu", "float32")) == "cpu, float32"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_one_clear_line():
    with pytest.raises(
        ModelUnusable, match="CARTEIRO_LOCAL_DEVICE=cuda:1: this machine or this PyTorch has none"
    ) as no:
        choose_machine("cuda:1")
    assert "\n" not in str(no.value)


@pytest.mark.parametrize(("flags", "faster"), [("sse avx512_bf16 amx_bf16", True), ("sse avx2", False)])
def test_a_cpu_is_asked_whether_it_is_made_for_bfloat16(tmp_path, flags, faster):
    (tmp_path / "cpuinfo").write_text(f"flags\t: {flags}\n")
    assert machine._faster_in_bfloat16(torch.device("cpu"), tmp_path / "cpuinfo") is faster
    assert not machine._faster_in_bfloat16(torch.device("cpu"), tmp_path / "absent")


@pytest.mark.parametrize(("given", "expected"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_container_s_share_of_the_cores(tmp_path, monkeypatch, given, expected):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: range(64), raising=False)
    assert cores(tmp_path) == 64
    (tmp_path / "cpu.max").write_text(given)
    assert cores(tmp_path) == (expected or 64)


def test_threads_are_as_many_as_wanted(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    try:
        set_threads(3)
        assert torch.get_num_threads() == 3
        set_threads(None)
        assert torch.get_num_threads() == cores()
        monkeypatch.setenv("OMP_NUM_THREADS", "4")
        set_threads(None)
        assert torch.get_num_threads() == cores(), "who set OMP_NUM_THREADS has chosen"
    finally:
        torch.set_num_threads(before)


def test_caches_get_a_share_of_the_free_memory(monkeypatch):
    monkeypatch.setattr("carteiro.models.local.memory.free_bytes", lambda: 1_000_000)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=8, n_positions=8, n_embd=16, n_layer=3, n_head=2))
    a_token = 2 * 3 * 16 * 4  # keys and values, layers, width, bytes of a float32
    assert most_cached(model) == 250_000 // a_token
    assert most_cached(model.to(torch.bfloat16)) == 250_000 // (a_token // 2)
