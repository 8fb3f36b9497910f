"""How long a call waits, and what its request says of that."""

from datetime import timedelta

import pytest

from carteiro.client.limits import SLACK_SECONDS, limits, timeout_header
from carteiro.schemas import Options


@pytest.mark.parametrize(
    ("wait", "timeout", "expected"),
    [
        (None, None, (120.0, 120.0)),
        (None, 5.0, (5.0, 5.0)),
        ("24h", None, (86_400 + SLACK_SECONDS, None)),
        ("24h", 5.0, (5.0, 5.0)),
        ("999999d", None, (999_999 * 86_400 + SLACK_SECONDS, None)),
    ],
)
def test_limits(wait, timeout, expected):
    assert limits(Options(wait=wait).patience, timeout, 120.0) == expected


def test_a_timeout_of_nothing_is_one():
    assert limits(timedelta(hours=1), 0.0, 120.0) == (0.0, 0.0)
    assert timeout_header(0.0015) == ("timeout_ms", b"1")
