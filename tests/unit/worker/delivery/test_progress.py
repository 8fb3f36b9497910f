"""A stalled partition is detected, and a partition that waits for its handler does not count as stalled."""

from carteiro.worker.delivery.progress import Progress


class ProgressClock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_stall_ends_with_each_advance_and_each_restart():
    clock = ProgressClock()
    progress = Progress(clock)
    assert progress.is_stalled(100)
    assert not progress.is_stalled(99)
    clock.now = 110
    progress.advance()
    assert not progress.is_stalled(109)
    clock.now = 120
    progress.on_restart()
    assert not progress.is_stalled(119)
    assert progress.is_stalled(120)


def test_preparing_is_not_a_stall():
    clock = ProgressClock()
    progress = Progress(clock)
    clock.now = 200
    with progress.preparing():
        assert not progress.is_stalled(150)
        assert progress.is_preparing(200)
        assert not progress.is_preparing(199)
    assert progress.is_stalled(150)
    assert not progress.is_preparing(1000)


def test_restart_failed_if_nothing_advanced_since_the_last_restart():
    clock = ProgressClock()
    progress = Progress(clock)
    progress.on_restart()
    assert not progress.restart_failed
    progress.on_restart()
    assert progress.restart_failed
    clock.now = 101
    progress.advance()
    progress.on_restart()
    assert not progress.restart_failed
