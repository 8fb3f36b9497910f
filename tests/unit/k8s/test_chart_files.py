"""The data of the Helm chart."""

from typing import Any

import pytest

from tests.manifests import K8S, load_script
from tests.unit.k8s.conftest import Render


def test_data_of_the_chart_is_current(render: Render) -> None:
    for file, text in load_script(K8S / "chart_files.py").chart_files().items():
        assert file.read_text() == text, f"{file.name} is old: run make generate"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"replicas": 0}, {"replicas": 1}, {"replicas": 1}),
        ({"replicas": 2}, {}, {}),
        ({"env": [{"name": "A"}]}, {"env": [{"name": "A"}, {"name": "B"}]}, {"env": [{"name": "B"}]}),
        ({"resources": {"cpu": 1}}, {"resources": {"cpu": 2}}, {"resources": {"cpu": 2}}),
    ],
)
def test_changes_of_a_deployment_are_found(old: dict[str, Any], new: dict[str, Any], expected: dict[str, Any]) -> None:
    def deployment(values: dict[str, Any]) -> dict[str, Any]:
        container = {name: value for name, value in values.items() if name != "replicas"}
        spec = {"template": {"spec": {"containers": [container]}}}
        return spec | ({"replicas": values["replicas"]} if "replicas" in values else {})

    changes = load_script(K8S / "chart_files.py").changes
    assert changes(deployment(old), deployment(new)) == expected
