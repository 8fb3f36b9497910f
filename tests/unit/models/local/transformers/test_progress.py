"""Progress of loading in the log."""

from structlog.testing import capture_logs
from transformers.utils.logging import tqdm

from carteiro.models.local.transformers.progress import log_progress


def test_quarters_of_the_weights_are_logged() -> None:
    with capture_logs() as logs, log_progress("local:x"):
        bar = tqdm(list(range(10)), desc="Loading weights")
        assert list(bar) == list(range(10))
        bar.set_postfix(a=1)
    assert [(each["model"], each["percent"]) for each in logs] == [("local:x", n) for n in (25, 50, 75, 100)]


def test_other_bars_and_later_bars_are_not_logged() -> None:
    with capture_logs() as logs:
        with log_progress("local:x"):
            tqdm(total=3, disable=True).close()
        list(tqdm(list(range(10)), disable=True))
    assert logs == []
