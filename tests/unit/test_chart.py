"""The Helm chart: Helm renders the same as Kustomize, and the values do as their descriptions say.

Helm itself is in a wheel (`pip install helm-python-sdk`).
"""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from carteiro.tasks.discovery import find_tasks
from tests.manifests import K8S, Manifest, Sites, of_kind

helm = pytest.importorskip("helm_python", reason="no Helm here: pip install helm-python-sdk", exc_type=ImportError)

CHART = K8S / "chart"
VALUES = yaml.load((CHART / "values.yaml").read_text(), yaml.CSafeLoader)
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
MODES = ["cloud", "local-cpu", "local-gpu"]
TASKS = [task.name for task in find_tasks()]
COMPONENTS: dict[tuple[str, ...], dict[str, Any]] = {
    ("topics",): {"topics": {"enabled": True}},
    ("keda",): {"keda": {"enabled": True}},
    ("keda", "keda-sasl"): {"keda": {"enabled": True, "sasl": True}},
    ("batches",): {"batches": {"enabled": True}},
    ("enrich",): {"enrich": {"enabled": True}},
    ("index",): {"index": {"enabled": True}},
    ("tools",): {"tools": {"enabled": True}},
    ("index", "keda", "keda-index", "keda-sasl"): {
        "index": {"enabled": True},
        "keda": {"enabled": True, "sasl": True},
    },
    ("strimzi",): {"strimzi": {"enabled": True}},
    ("prometheus",): {"prometheus": {"enabled": True}},
    ("strimzi", "batches", "strimzi-batches"): {"strimzi": {"enabled": True}, "batches": {"enabled": True}},
    ("strimzi", "enrich", "strimzi-enrich"): {"strimzi": {"enabled": True}, "enrich": {"enabled": True}},
}


def rendered(**values: Any) -> list[Manifest]:
    with helm.Chart.load(CHART) as chart:
        (text,) = [
            text
            for name, text in chart.render(values, name="carteiro", namespace="carteiro").items()
            if name.endswith(".yaml")
        ]
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each]


def normalised(manifests: list[Manifest]) -> dict[str, Manifest]:
    """Return the manifests by kind and name, without the differences between Helm and Kustomize themselves."""
    (settings,) = [each["metadata"]["name"] for each in manifests if "CARTEIRO_GRACE_SECONDS" in each.get("data", {})]
    found = {}
    for each in manifests:
        if each["kind"] == "Namespace":
            continue
        text = re.sub(r"carteiro-(enrichments|tools)-\w{10}", r"carteiro-\1", json.dumps(each))
        text = text.replace(settings, "carteiro")
        plain = json.loads(re.sub(r"carteiro-topics-\d+", "carteiro-topics", text))
        plain["metadata"].pop("namespace", None)
        if template := plain.get("spec", {}).get("template"):
            template["metadata"].pop("annotations", None)
            # Kubernetes ignores their order.
            for holder in (template["spec"], *template["spec"]["containers"]):
                for field in ("env", "volumes", "volumeMounts"):
                    if field in holder:
                        holder[field].sort(key=lambda item: item["name"])
        found[f"{plain['kind']}/{plain['metadata']['name']}"] = plain
    return found


@pytest.fixture(scope="session")
def sites(tmp_path_factory) -> Sites:
    return Sites(tmp_path_factory.mktemp("kustomize"))


@pytest.mark.parametrize("mode", MODES)
def test_default_render_is_the_overlay(sites: Sites, mode: str):
    assert normalised(rendered(mode=mode)) == normalised(sites.render(mode, image="carteiro"))


@pytest.mark.parametrize("components", COMPONENTS, ids="-".join)
def test_every_component_renders_as_with_kustomize(sites: Sites, components: tuple[str, ...]):
    ours = normalised(rendered(**COMPONENTS[components]))
    assert ours == normalised(sites.render("cloud", *components, image="carteiro"))


@pytest.mark.parametrize("mode", MODES)
def test_helm_lint_has_no_warning(mode: str):
    report = helm.lint(CHART, {"mode": mode}, strict=True)
    assert report["errors"] == []
    assert [each["error"] for each in report["messages"] if each["severity"] > 1] == []


EVERYTHING: dict[str, Any] = {
    "image": {
        "repository": "registry.example.com/carteiro",
        "tag": "1.2",
        "pullPolicy": "Always",
        "pullSecrets": [{"name": "r"}],
    },
    "settings": {
        "CARTEIRO_BOOTSTRAP_SERVERS": "kafka:9092",
        "CARTEIRO_MAX_IN_FLIGHT": 8,
        "CARTEIRO_MAX_PRODUCE_BYTES": 1_000_000,
        "CARTEIRO_BATCHES": True,
    },
    "secret": "ours",
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/carteiro"}},
    "workers": {
        "replicas": 3,
        "resources": {"limits": {"memory": "3Gi"}},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "volumes": [{"name": "models", "emptyDir": {}}],
        "volumeMounts": [{"name": "models", "mountPath": "/models"}],
        "podAnnotations": {"example.com/a": "b"},
        "nodeSelector": {"pool": "llm"},
        "tolerations": [{"key": "llm", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    },
    "tasks": {
        "chat": {"replicas": 5},
        "translate": {"enabled": False},
        "answer": {"resources": {"limits": {"memory": "4Gi"}}},
    },
    "networkPolicy": {"egress": [{"ports": [{"port": 3128, "protocol": "TCP"}]}]},
    "topics": {"enabled": True, "partitions": 12, "replication": 1},
    "prometheus": {"enabled": True, "runbook": "https://docs.example.com/runbook"},
    "batches": {"enabled": True},
    "enrich": {"enabled": True, "files": {"b.yaml": "from: b", "a.yaml": "from: a"}},
    "index": {"enabled": True, "collections": "docs,faq"},
    "tools": {"enabled": True, "file": "topics: {}"},
    "overrides": {"PodDisruptionBudget/carteiro-chat": {"spec": {"maxUnavailable": 2}}},
}


def test_every_value_has_its_effect():
    manifests = rendered(**EVERYTHING)
    deployments = of_kind(manifests, "Deployment")
    assert "carteiro-translate" not in deployments
    assert {name: each["spec"]["replicas"] for name, each in deployments.items() if name != "carteiro-batch"} == {
        "carteiro-enrich": 1,
        "carteiro-index": 1,
        **{f"carteiro-{task}": 3 for task in TASKS if task != "translate"},
        "carteiro-chat": 5,
        "carteiro-lag": 1,
    }
    pod = deployments["carteiro-chat"]["spec"]["template"]["spec"]
    (worker,) = pod["containers"]
    assert (worker["image"], worker["imagePullPolicy"]) == ("registry.example.com/carteiro:1.2", "Always")
    assert worker["resources"] == {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "3Gi"}}
    answer = deployments["carteiro-answer"]["spec"]["template"]["spec"]["containers"][0]
    assert answer["resources"]["limits"] == {"memory": "4Gi"}
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in worker["env"]
    assert {"name": "models", "mountPath": "/models"} in worker["volumeMounts"]
    assert {each["name"] for each in pod["volumes"]} == {"tmp", "keys", "models", "tools"}
    assert (pod["nodeSelector"], pod["imagePullSecrets"]) == ({"pool": "llm"}, [{"name": "r"}])
    assert deployments["carteiro-chat"]["spec"]["template"]["metadata"]["annotations"]["example.com/a"] == "b"
    for each in [*deployments.values(), *of_kind(manifests, "Job").values()]:
        (keys,) = [volume for volume in each["spec"]["template"]["spec"]["volumes"] if volume["name"] == "keys"]
        assert keys["secret"]["secretName"] == "ours"
    assert (
        of_kind(manifests, "ConfigMap")["carteiro"]["data"].items()
        >= {
            "CARTEIRO_BOOTSTRAP_SERVERS": "kafka:9092",
            "CARTEIRO_MAX_IN_FLIGHT": "8",
            "CARTEIRO_MAX_PRODUCE_BYTES": "1000000",
            "CARTEIRO_BATCHES": "true",
            "CARTEIRO_ENRICHMENTS": "/etc/carteiro/enrichments/a.yaml,/etc/carteiro/enrichments/b.yaml",
            "CARTEIRO_COLLECTIONS": "docs,faq",
            "CARTEIRO_MODEL": "openai:gpt-4.1-mini",
        }.items()
    )
    assert of_kind(manifests, "ConfigMap")["carteiro-enrichments"]["data"] == {"a.yaml": "from: a", "b.yaml": "from: b"}
    assert of_kind(manifests, "ConfigMap")["carteiro-tools"]["data"] == {"tools.yaml": "topics: {}"}
    assert of_kind(manifests, "ServiceAccount")["carteiro"]["metadata"]["annotations"]
    assert EVERYTHING["networkPolicy"]["egress"][0] in of_kind(manifests, "NetworkPolicy")["carteiro"]["spec"]["egress"]
    job = of_kind(manifests, "Job")["carteiro-topics-1"]["spec"]["template"]["spec"]["containers"][0]
    assert job["args"] == ["topics", "create", "--wait", "--partitions=12", "--replication=1"]
    rules = of_kind(manifests, "PrometheusRule")["carteiro"]["spec"]["groups"][0]["rules"]
    assert all(
        re.fullmatch(r"https://docs.example.com/runbook#\w+", rule["annotations"]["runbook_url"]) for rule in rules
    )
    budgets = of_kind(manifests, "PodDisruptionBudget")
    assert budgets["carteiro-chat"]["spec"]["maxUnavailable"] == 2
    assert budgets["carteiro-answer"]["spec"]["maxUnavailable"] == 1


def test_keda_gets_the_settings_of_a_hosted_kafka():
    keda = {"enabled": True, "minReplicas": 1, "maxReplicas": 12, "sasl": True, "mechanism": "scram_sha512"}
    manifests = rendered(keda=keda, secret="ours")
    (authentication,) = of_kind(manifests, "TriggerAuthentication").values()
    assert {each["name"] for each in authentication["spec"]["secretTargetRef"]} == {"ours"}
    for scaled in of_kind(manifests, "ScaledObject").values():
        assert (scaled["spec"]["minReplicaCount"], scaled["spec"]["maxReplicaCount"]) == (1, 12)
        assert scaled["spec"]["triggers"][0]["metadata"]["sasl"] == "scram_sha512"
    own = {"enabled": True, "authentication": "theirs", "trigger": {"sasl": "oauthbearer", "tls": "enable"}}
    for scaled in of_kind(rendered(keda=own), "ScaledObject").values():
        (trigger,) = scaled["spec"]["triggers"]
        assert trigger["authenticationRef"] == {"name": "theirs"}
        assert (trigger["metadata"]["sasl"], trigger["metadata"]["lagThreshold"]) == ("oauthbearer", "64")


def test_index_workers_scale_by_the_lag_of_each_collection():
    own = {"enabled": True, "collections": "docs, contracts"}
    (scaled,) = of_kind(rendered(index=own, keda={"enabled": True}), "ScaledObject").keys() & {"carteiro-index"}
    spec = of_kind(rendered(index=own, keda={"enabled": True}), "ScaledObject")[scaled]["spec"]
    assert spec["minReplicaCount"] == 1
    assert [(each["metadata"]["topic"], each["metadata"]["consumerGroup"]) for each in spec["triggers"]] == [
        ("llm.index-docs.documents", "carteiro-index-docs"),
        ("llm.index-contracts.documents", "carteiro-index-contracts"),
    ]


def test_every_possible_value_fits_kubernetes():
    for manifest in rendered(**EVERYTHING):
        if manifest["kind"] not in ("PodMonitor", "PrometheusRule"):
            kubernetes_validate.validate(manifest, "1.31", strict=True)


def test_new_setting_restarts_the_pods():
    def stamp(**settings: str) -> str:
        template = of_kind(rendered(settings=settings), "Deployment")["carteiro-chat"]["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/settings"]
        return found

    assert stamp() == stamp()
    assert stamp() != stamp(CARTEIRO_MAX_IN_FLIGHT="8")


@pytest.mark.parametrize("service", ["enrich", "chat"])
def test_new_enrichment_or_tool_restarts_the_pods(service: str):
    def stamp(file: str) -> str:
        manifests = rendered(
            enrich={"enabled": True, "files": {"a.yaml": file}} if service == "enrich" else {"enabled": False},
            tools={"enabled": service == "chat", "file": file},
        )
        template = of_kind(manifests, "Deployment")[f"carteiro-{service}"]["spec"]["template"]
        found: str = template["metadata"]["annotations"]["checksum/settings"]
        return found

    assert stamp("from: a") == stamp("from: a")
    assert stamp("from: a") != stamp("from: b")


def test_disabled_network_policies_are_not_rendered():
    assert of_kind(rendered(networkPolicy={"enabled": False}), "NetworkPolicy") == {}


@pytest.mark.parametrize(
    "values",
    [
        {"mode": "gpu"},
        {"replicas": 2},
        {"workers": {"replica": 2}},
        {"tasks": {"sing": {"replicas": 1}}},
        {"keda": {"mechanism": "PLAIN"}},
        {"topics": {"partitions": 0}},
        {"settings": {"carteiro_window": "8"}},
        {"overrides": {"chat": {}}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_misspelt_value_is_rejected(values: dict[str, Any]):
    with helm.Chart.load(CHART) as chart, pytest.raises(helm.HelmError):
        chart.validate_schema(values)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(VALUES | values, SCHEMA)


def leaves(schema: dict[str, Any], values: Any, path: str = "") -> list[str]:
    """Yield the values that the schema does not name."""
    if "properties" not in schema or values == {}:
        return []
    return [
        each
        for name, value in values.items()
        for each in (
            leaves(schema["properties"][name], value, f"{path}.{name}") if name in schema["properties"] else [name]
        )
    ] + [f"{path}.{name}" for name in schema["properties"] if name not in values]


def test_schema_names_exactly_the_values():
    assert leaves(SCHEMA, VALUES) == []
    assert set(SCHEMA["properties"]["tasks"]["propertyNames"]["enum"]) == set(TASKS)


def test_every_value_is_documented():
    lines = (CHART / "values.yaml").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"[a-z]\w*:", line) and line.split(":")[0] not in ("image", "networkPolicy", "serviceAccount"):
            assert before.startswith("#"), line


def test_chart_has_the_version_of_the_package():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (Path(__file__).parents[2] / "shared/pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.+)"$', package, re.MULTILINE)
    assert (chart["version"], chart["appVersion"]) == (version, version)
