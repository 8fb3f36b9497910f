"""Network policies in the manifests: the connections that pods may open and accept."""

from collections.abc import Iterable

import pytest

from carteiro.settings.worker import WorkerSettings
from tests.manifests import COMPONENTS, OVERLAYS, Manifest, of_kind, pods
from tests.unit.k8s.conftest import Render


def test_scraped_pods_exist_and_are_reachable(render: Render):
    manifests = render("cloud", "batches", "prometheus")
    (monitor,) = of_kind(manifests, "PodMonitor").values()
    ports = {
        port["name"]
        for pod in pods(manifests).values()
        for container in pod["containers"]
        for port in container["ports"]
    }
    assert {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]} <= ports
    for deployment in of_kind(manifests, "Deployment").values():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()


REACHED = {
    "bootstrap_servers": [9092, 9093, 9094, 9096, 9098],
    "sasl_oauthbearer_token_endpoint_url": [443],
    "cache_url": [6379],
    "model": [443],
}
"""Settings that name an address, with their usual ports."""


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_may_reach_the_addresses_of_its_settings(render: Render, overlay: str):
    assert set(REACHED) <= set(WorkerSettings.model_fields)
    manifests = render(overlay, "topics", "prometheus")
    wanted = {53, 4318, *(port for ports in REACHED.values() for port in ports)}
    for name, labels in pod_labels(manifests).items():
        if name != "vllm":
            assert {port for port in wanted if not may_reach(manifests, labels, port)} == set(), name


@pytest.mark.parametrize("port", [8000, 4000, 8080, 11434])
def test_workers_may_call_model_servers_of_the_cluster(render: Render, port: int):
    manifests = render("cloud", "batches")
    for labels in pod_labels(manifests).values():
        assert may_reach(manifests, labels, port)


def test_workers_may_not_reach_everything(render: Render):
    manifests = render("cloud", *COMPONENTS)
    for labels in pod_labels(manifests).values():
        assert not any(may_reach(manifests, labels, port) for port in (22, 80, 3306))


def test_store_of_collections_is_reached_only_with_the_index_component(render: Render):
    for components, reached in (((), False), (("index",), True)):
        manifests = render("cloud", *components)
        assert {may_reach(manifests, labels, 5432) for labels in pod_labels(manifests).values()} == {reached}


def pod_labels(manifests: Iterable[Manifest]) -> dict[str, dict[str, str]]:
    """Return the labels of the pods, by the name of the workload that makes them."""
    makers = [each for each in manifests if each["kind"] in ("Deployment", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in makers}


def may_reach(manifests: Iterable[Manifest], labels: dict[str, str], port: int) -> bool:
    """True if a policy lets pods with these labels open connections to a port."""
    return any(
        isinstance(open_["port"], int) and open_["port"] <= port <= open_.get("endPort", open_["port"])
        for policy in of_kind(manifests, "NetworkPolicy").values()
        if policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        for rule in policy["spec"].get("egress", ())
        for open_ in rule["ports"]
    )
