"""Cores and threads, in a container or not."""

from carteiro.models.local.inference.cores import engine_threads, usable_cores


def test_engine_threads_leave_one_core_and_follow_the_quota(tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert (usable_cores(tmp_path), engine_threads(cgroup=tmp_path)) == (1, 1)
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert engine_threads(cgroup=tmp_path) == max(1, int(usable_cores(tmp_path / "none")) - 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert (engine_threads(), engine_threads(3)) == (7, 3)
