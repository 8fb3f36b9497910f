"""The manifests render, fit the schemas of Kubernetes and of the operators, and agree with the code."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks, task_names
from carteiro.wire.topics import Topics
from tests.manifests import COMPONENTS, K8S, OVERLAYS, Manifest, Sites, of_kind, pods, workers
from tests.unit.k8s.conftest import Render

ROOT = Path(__file__).parents[3]

TASKS = [task.name for task in find_tasks()]

KUBERNETES = "1.31"

CUSTOM = yaml.load((Path(__file__).parent / "custom_resources.yaml").read_text(), yaml.CSafeLoader)


def settings(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """Return the ConfigMaps of settings."""
    maps = of_kind(manifests, "ConfigMap")
    return {name: each for name, each in maps.items() if "CARTEIRO_BOOTSTRAP_SERVERS" in each["data"]}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlay_needs_only_kubernetes(render: Render, overlay: str):
    for manifest in render(overlay):
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_every_manifest_fits_its_schema(everything: list[Manifest]):
    for manifest in everything:
        if (schema := CUSTOM.get(manifest["kind"])) is None:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
        else:
            assert manifest["apiVersion"] == schema["apiVersion"]
            rules = {name: rule for name, rule in schema.items() if name != "apiVersion"}
            jsonschema.validate(manifest["spec"], rules)


def test_names_fit_together(everything: list[Manifest]):
    assert {each["metadata"].get("namespace") for each in everything if each["kind"] != "Namespace"} == {"carteiro"}
    (config,) = settings(everything)
    for name, pod in pods(everything).items():
        for container in pod["containers"]:
            assert name == "vllm" or container["image"].startswith("registry.example.com/carteiro:"), name
            assert {each["configMapRef"]["name"] for each in container.get("envFrom", ())} <= {config}
            mounted = {each["name"] for each in container.get("volumeMounts", ())}
            assert mounted == {each["name"] for each in pod.get("volumes", ())}
    for name, budget in of_kind(everything, "PodDisruptionBudget").items():
        labels = of_kind(everything, "Deployment")[name]["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_every_task_has_a_worker(everything: list[Manifest]):
    assert sorted(workers(everything)) == sorted([*TASKS, "batch", "enrich", "index"])
    for task, deployment in workers(everything).items():
        # The variable TASK is read from this label.
        assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == task


def test_every_pod_is_restricted(everything: list[Manifest]):
    """Check the Pod Security Standard `restricted`, and a read-only root file system."""
    for name, pod in pods(everything).items():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"], name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert "memory" in container["resources"]["limits"], name


def test_pod_has_longer_to_stop_than_its_drain(everything: list[Manifest]):
    (config,) = settings(everything).values()
    grace = float(config["data"]["CARTEIRO_GRACE_SECONDS"])
    for deployment in workers(everything).values():
        # The drain, and a transaction of at most 10 s at its end.
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= grace + 20


def test_every_setting_exists(everything: list[Manifest]):
    known = {f"CARTEIRO_{name.upper()}" for name in WorkerSettings.model_fields}
    known |= {f"CARTEIRO_{task.upper()}_MODEL" for task in task_names()}
    (config,) = settings(everything).values()
    named = set(config["data"])
    for pod in pods(everything).values():
        named |= {variable["name"] for variable in pod["containers"][0].get("env", ())}
    assert {name for name in named if name.startswith("CARTEIRO_")} <= known


def test_scaling_follows_the_group_and_topic_that_a_worker_reads(render: Render):
    manifests = render("cloud", "keda")
    scaled = of_kind(manifests, "ScaledObject")
    assert set(scaled) == {f"carteiro-{task}" for task in TASKS}
    for task in TASKS:
        spec = scaled[f"carteiro-{task}"]["spec"]
        (trigger,) = spec["triggers"]
        assert trigger["metadata"]["topic"] == Topics().requests(task)
        assert trigger["metadata"]["consumerGroup"] == f"carteiro-{task}"
        assert trigger["metadata"]["activationLagThreshold"] == "0"
        assert spec["minReplicaCount"] == 0
        assert spec["cooldownPeriod"] >= 300
    # KEDA sets the replicas of the tasks, and nobody those of the two other workers.
    replicas = {task: deployment["spec"].get("replicas") for task, deployment in workers(manifests).items()}
    assert replicas == dict.fromkeys(TASKS) | {"batch": 0, "enrich": 0, "index": 0}


def test_index_workers_scale_with_the_documents_of_their_collection(render: Render):
    manifests = render("cloud", "index", "keda", "keda-index")
    spec = of_kind(manifests, "ScaledObject")["carteiro-index"]["spec"]
    (trigger,) = spec["triggers"]
    assert (trigger["metadata"]["topic"], trigger["metadata"]["consumerGroup"]) == (
        Topics().documents("index-docs"),
        Topics().group("index-docs"),
    )
    assert (spec["minReplicaCount"], spec["cooldownPeriod"]) == (1, 300)
    assert "replicas" not in workers(manifests)["index"]["spec"]


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.parametrize(
    ("components", "replicas"),
    [((), 0), (("keda",), 0), (("batches", "enrich", "index"), 1), (("batches", "enrich", "index", "keda"), 1)],
)
def test_batch_and_enrich_workers_run_only_with_their_components(
    render: Render, overlay: str, components: tuple[str, ...], replicas: int
) -> None:
    deployments = workers(render(overlay, *components))
    assert {deployments[name]["spec"]["replicas"] for name in ("batch", "enrich", "index")} == {replicas}
    images = {each["spec"]["template"]["spec"]["containers"][0]["image"] for each in deployments.values()}
    assert len(images) == 1


def test_only_the_startup_probe_waits_for_the_model(render: Render):
    for deployment in workers(render("cloud", "batches")).values():
        (worker,) = deployment["spec"]["template"]["spec"]["containers"]
        probes = {name: worker[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        assert probes == {"startup": "/startupz", "liveness": "/livez", "readiness": "/readyz"}
        assert worker["startupProbe"]["periodSeconds"] * worker["startupProbe"]["failureThreshold"] >= 600


def test_enrich_worker_reads_the_mounted_example(render: Render) -> None:
    manifests = render("cloud", "enrich")
    (config,) = settings(manifests).values()
    path = Path(config["data"]["CARTEIRO_ENRICHMENTS"])
    pod = workers(manifests)["enrich"]["spec"]["template"]["spec"]
    (volume,) = [each["configMap"]["name"] for each in pod["volumes"] if "configMap" in each]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "enrichments"]
    assert (mount["mountPath"], mount["readOnly"]) == (str(path.parent), True)
    text = of_kind(manifests, "ConfigMap")[volume]["data"][path.name]
    assert yaml.safe_load(text) == yaml.safe_load((ROOT / "examples/enrich" / path.name).read_text())


@pytest.mark.parametrize("task", ["batch", "chat", "generate"])
def test_workers_with_tools_read_the_mounted_example(render: Render, task: str) -> None:
    manifests = render("cloud", "tools")
    (config,) = settings(manifests).values()
    path = Path(config["data"]["CARTEIRO_TOOLS"])
    pod = workers(manifests)[task]["spec"]["template"]["spec"]
    (volume,) = [each["configMap"]["name"] for each in pod["volumes"] if each["name"] == "tools"]
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "tools"]
    assert (mount["mountPath"], mount["readOnly"]) == (str(path.parent), True)
    text = of_kind(manifests, "ConfigMap")[volume]["data"][path.name]
    assert yaml.safe_load(text) == yaml.safe_load((ROOT / "examples/tools" / path.name).read_text())


def test_all_workers_have_the_store_of_the_index_worker(render: Render) -> None:
    manifests = render("cloud", "index")
    (config,) = settings(manifests).values()
    assert config["data"]["CARTEIRO_COLLECTIONS"] == "docs"
    store = Path(config["data"]["CARTEIRO_STORE_FILE"])
    for name, pod in pods(manifests).items():
        (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "keys"]
        assert mount["mountPath"] == str(store.parent), name


@pytest.mark.parametrize(
    ("component", "setting", "value"),
    [
        ("index", "CARTEIRO_COLLECTIONS", "docs,contracts"),
        ("enrich", "CARTEIRO_ENRICHMENTS", "/etc/carteiro/enrichments/orders.yaml"),
        ("tools", "CARTEIRO_TOOLS", "/etc/carteiro/tools/tools.yaml"),
    ],
)
def test_own_values_as_the_comment_of_a_component_shows_replace_its_defaults(
    tmp_path: Path, component: str, setting: str, value: str
) -> None:
    site = tmp_path / "k8s/sites" / f"cloud-{component}"
    sites = Sites(tmp_path)
    site.mkdir(parents=True)
    (site / "orders.yaml").write_text("from: shop.orders")
    (site / "tools.yaml").write_text("topics: {}")
    comment = (K8S / "components" / component / "kustomization.yaml").read_text().partition("\napiVersion")[0]
    lines = [line.removeprefix("#   ") for line in comment.splitlines() if line.startswith("#   ")]
    recipe = yaml.safe_load("\n".join(line for line in lines if not line.startswith("kubectl")))
    manifests = sites.render("cloud", component, image="carteiro", **recipe)
    (config,) = settings(manifests).values()
    assert config["data"][setting] == value
    service, volume, data = {
        "enrich": ("enrich", "enrichments", {"orders.yaml": "from: shop.orders"}),
        "tools": ("chat", "tools", {"tools.yaml": "topics: {}"}),
    }.get(component, (None, None, None))
    if service:
        volumes = workers(manifests)[service]["spec"]["template"]["spec"]["volumes"]
        (mounted,) = [each["configMap"]["name"] for each in volumes if each["name"] == volume]
        assert of_kind(manifests, "ConfigMap")[mounted]["data"] == data
    if component == "tools":
        egress = of_kind(manifests, "NetworkPolicy")["carteiro"]["spec"]["egress"]
        assert {"ports": [{"port": 3001, "protocol": "TCP"}]} in egress


def test_dashboard_is_the_one_of_compose(render: Render):
    dashboard = of_kind(render("cloud", "prometheus"), "ConfigMap")["carteiro-dashboard"]
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    shown = json.loads(dashboard["data"]["carteiro.json"])
    assert shown == json.loads((ROOT / "observability/grafana/dashboards/carteiro.json").read_text())


def test_keda_uses_the_password_that_the_workers_read(render: Render):
    manifests = render("cloud", "keda", "keda-sasl")
    (authentication,) = of_kind(manifests, "TriggerAuthentication").values()
    for scaled in of_kind(manifests, "ScaledObject").values():
        (trigger,) = scaled["spec"]["triggers"]
        assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]
        assert (trigger["metadata"]["sasl"], trigger["metadata"]["tls"]) == ("plaintext", "enable")
    secrets = {
        volume["secret"]["secretName"]
        for pod in pods(manifests).values()
        for volume in pod["volumes"]
        if volume["name"] == "keys"
    }
    assert {each["name"] for each in authentication["spec"]["secretTargetRef"]} == secrets


def test_only_the_model_requests_a_gpu(render: Render):
    for name, pod in pods(render("local-gpu")).items():
        limits = pod["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == (name == "vllm")


CHECKOV = shutil.which("checkov", path=os.pathsep.join([str(ROOT / ".venv/checkov/bin"), os.environ["PATH"]]))


@pytest.mark.skipif(CHECKOV is None, reason="no checkov: make .venv/checkov/ready")
def test_only_explained_policies_are_broken(render: Render, tmp_path: Path):
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all(render(overlay, *COMPONENTS)))
    # A bad manifest, to check that it is noticed.
    bad = workers(render("cloud"))["chat"] | {"metadata": {"name": "bad", "namespace": "carteiro"}}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(bad).replace("readOnlyRootFilesystem: true", ""))
    command = [CHECKOV, "--config-file", K8S / "checkov.yaml", "--directory", tmp_path, "--output", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    report = json.loads(run.stdout)
    failed = {(each["resource"], each["check_id"], each["check_name"]) for each in report["results"]["failed_checks"]}
    readonly = "Use read-only filesystem for containers where possible"
    assert failed == {("Deployment.carteiro.bad", "CKV_K8S_22", readonly)}
    assert report["summary"]["passed"] > 2000
    assert report["summary"]["parsing_errors"] == 0
