from typing import Any

import pytest

from carteiro.wire.event_format import Path, find_obstacle


@pytest.mark.parametrize(
    ("document", "obstacle"),
    [
        ({}, None),
        ({"a": {}}, None),
        ({"a": {"b": 1}}, None),
        ({"a": {"b": None}}, None),
        ({"a": 1}, ("a",)),
        ({"a": None}, ("a",)),
        ({"a": "text"}, ("a",)),
        ({"a": [{"b": 1}]}, ("a",)),
        ([], ()),
    ],
)
def test_obstacle_is_the_value_around_the_path_that_is_no_object(document: Any, obstacle: Path | None) -> None:
    assert find_obstacle(document, ("a", "b")) == obstacle
