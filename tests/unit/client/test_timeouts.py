"""The time for which a call waits, and the deadline of its request."""

from datetime import timedelta

import pytest

from carteiro.client.timeouts import GRACE_SECONDS, call_timeouts, timeout_header
from carteiro.schemas import Options


@pytest.mark.parametrize(
    ("wait", "timeout", "expected"),
    [
        (None, None, (120.0, 120.0)),
        (None, 5.0, (5.0, 5.0)),
        ("24h", None, (86_400 + GRACE_SECONDS, None)),
        ("24h", 5.0, (5.0, 5.0)),
        ("999999d", None, (999_999 * 86_400 + GRACE_SECONDS, None)),
    ],
)
def test_timeout_sets_the_wait_and_the_deadline(wait, timeout, expected):
    assert call_timeouts(Options(wait=wait).patience, timeout, 120.0) == expected


def test_timeout_of_zero_is_a_timeout():
    assert call_timeouts(timedelta(hours=1), 0.0, 120.0) == (0.0, 0.0)
    assert timeout_header(0.0015) == ("timeout_ms", b"1")
