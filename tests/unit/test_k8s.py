"""The manifests render, fit the schemas of Kubernetes and of the operators, and say what the code does."""

import functools
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import jsonschema
import kubernetes_validate
import pytest
import yaml
from aiokafka import TopicPartition

from carteiro.wire.topics import Topics
from carteiro.worker.delivery import exactly_once, modes
from carteiro.worker.services import find_tasks
from carteiro.worker.settings import WorkerSettings
from tests.manifests import K8S, Manifest, Sites, of_kind

ROOT = Path(__file__).parents[2]
OVERLAYS = ["cloud", "local-cpu", "local-gpu"]
COMPONENTS = ["keda", "batches", "strimzi", "strimzi-batches", "prometheus", "topics"]
TASKS = [task.name for task in find_tasks()]
KUBERNETES = "1.31"
CUSTOM = yaml.safe_load((Path(__file__).parent / "custom_resources.yaml").read_text())

Render = Callable[..., list[Manifest]]


@pytest.fixture(scope="session")
def render(tmp_path_factory) -> Render:
    """`render("cloud", "keda", ...)`: the manifests of an overlay and components."""
    sites = Sites(tmp_path_factory.mktemp("k8s"))
    return functools.cache(functools.partial(sites.render, image="registry.example.com/carteiro"))


@pytest.fixture(params=OVERLAYS)
def everything(request, render: Render) -> list[Manifest]:
    return render(request.param, *COMPONENTS)


def workers(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The six Deployments, by task, and that of waiting requests."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each
        for each in of_kind(manifests, "Deployment").values()
        if each["metadata"]["labels"]["app.kubernetes.io/name"] == "carteiro"
    }


def pods(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The pod specs of all that makes pods."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests
        if each["kind"] in ("Deployment", "Job")
    }


def test_what_is_generated_is_current():
    spec = importlib.util.spec_from_file_location("generate", K8S / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for file, text in generate.generated().items():
        assert file.read_text() == text, f"{file.relative_to(ROOT)} is old: run python k8s/generate.py"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_needs_nothing_but_kubernetes(render: Render, overlay: str):
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
    (config,) = of_kind(everything, "ConfigMap")
    for name, pod in pods(everything).items():
        for container in pod["containers"]:
            assert name == "vllm" or container["image"].startswith("registry.example.com/carteiro:"), name
            assert {each["configMapRef"]["name"] for each in container.get("envFrom", ())} <= {config}
            mounted = {each["name"] for each in container.get("volumeMounts", ())}
            assert mounted == {each["name"] for each in pod.get("volumes", ())}
    for name, budget in of_kind(everything, "PodDisruptionBudget").items():
        labels = of_kind(everything, "Deployment")[name]["spec"]["template"]["metadata"]["labels"]
        assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_there_is_a_worker_for_each_task(everything: list[Manifest]):
    assert sorted(workers(everything)) == sorted([*TASKS, "waiting"])
    for task, deployment in workers(everything).items():
        # The variable TASK is read from this label.
        assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] == task


def test_every_pod_is_restricted(everything: list[Manifest]):
    """The Pod Security Standard `restricted`, and a root file system that cannot be written to."""
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


def test_a_pod_is_given_longer_than_its_drain(everything: list[Manifest]):
    (config,) = of_kind(everything, "ConfigMap").values()
    grace = float(config["data"]["CARTEIRO_GRACE_SECONDS"])
    for deployment in workers(everything).values():
        # The drain, and a transaction of at most 10 s at its end.
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= grace + 20


def test_every_setting_is_one(everything: list[Manifest]):
    known = {f"CARTEIRO_{name.upper()}" for name in WorkerSettings.model_fields}
    (config,) = of_kind(everything, "ConfigMap").values()
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
    assert all("replicas" not in deployment["spec"] for deployment in workers(manifests).values())


def rights(user: Manifest) -> set[tuple[str, str, str]]:
    """What a KafkaUser is allowed: patterns are written with a `*`."""
    return {
        (acl["resource"]["type"], acl["resource"]["name"] + "*" * (acl["resource"]["patternType"] == "prefix"), each)
        for acl in user["spec"]["authorization"]["acls"]
        for each in acl["operations"]
    }


def test_a_user_may_do_what_its_workers_do_and_no_more(render: Render):
    """`tests/containers/test_security.py` shows that it is enough."""
    manifests = render("cloud", "strimzi")
    topics, users = of_kind(manifests, "KafkaTopic"), of_kind(manifests, "KafkaUser")
    used = set()
    for task in find_tasks():
        name, group = task.name, f"carteiro-{task.name}"
        expected = {
            ("topic", Topics().requests(name), "Read"),
            ("topic", Topics().replies(name), "Write"),
            ("topic", Topics().dead(name), "Write"),
        }
        if task.keeps_conversations:
            expected |= {("topic", Topics().conversations(name), each) for each in ("Read", "Write")}
        expected |= {("topic", topic, "Describe") for _, topic, _ in expected}
        used |= {topic for _, topic, _ in expected}
        expected |= {("group", group, "Read")}
        expected |= {("transactionalId", f"{group}-*", each) for each in ("Write", "Describe")}
        assert rights(users[group]) == expected
    assert set(topics) == used
    for task, deployment in workers(manifests).items():
        secrets = {
            each["secret"]["secretName"]
            for each in deployment["spec"]["template"]["spec"]["volumes"]
            if each["name"] == "kafka-user"
        }
        assert secrets == {f"carteiro-{task}"}


def test_with_batches_the_services_may_set_requests_aside_and_their_workers_take_them_up(render: Render):
    """`tests/containers/test_security.py` shows that it is enough."""
    manifests = render("cloud", "strimzi", "batches", "strimzi-batches")
    alone = of_kind(render("cloud", "strimzi"), "KafkaUser")
    topics, users = of_kind(manifests, "KafkaTopic"), of_kind(manifests, "KafkaUser")
    taken_up = set()
    for task in TASKS:
        waiting, batches = Topics().waiting(task), Topics().batches(task)
        assert topics[waiting]["spec"] | {"config": 0} == topics[batches]["spec"] | {"config": 0}
        assert topics[batches]["spec"]["config"]["cleanup.policy"] == "compact"
        aside = {("topic", waiting, each) for each in ("Write", "Describe")}
        assert rights(users[f"carteiro-{task}"]) == rights(alone[f"carteiro-{task}"]) | aside
        taken_up |= {("topic", waiting, "Read"), ("topic", waiting, "Describe")}
        taken_up |= {("topic", batches, each) for each in ("Read", "Write", "Describe")}
        taken_up |= {
            ("topic", topic(task), each)
            for topic in (Topics().replies, Topics().dead)
            for each in ("Write", "Describe")
        }
        group = f"carteiro-{task}-waiting"
        taken_up |= {("group", group, "Read"), ("transactionalId", f"{group}-*", "Write")}
        taken_up |= {("transactionalId", f"{group}-*", "Describe")}
    assert rights(users["carteiro-waiting"]) == taken_up


def test_the_service_of_batches_reaches_kafka_as_the_others_do_in_any_order_of_components(render: Render):
    one = render("cloud", "batches", "strimzi", "strimzi-batches")
    other = render("cloud", "strimzi", "batches", "strimzi-batches")
    assert of_kind(one, "Deployment")["carteiro-waiting"] == of_kind(other, "Deployment")["carteiro-waiting"]


def test_conversations_are_kept_beside_their_requests_until_they_are_deleted(render: Render):
    topics = of_kind(render("cloud", "strimzi"), "KafkaTopic")
    for task in find_tasks():
        if task.keeps_conversations:
            kept, requests = (
                topics[Topics().conversations(task.name)]["spec"],
                topics[Topics().requests(task.name)]["spec"],
            )
            assert kept["partitions"] == requests["partitions"]
            assert kept["config"]["cleanup.policy"] == "compact"
            assert "retention.ms" not in kept["config"]
            assert "cleanup.policy" not in requests["config"]
            assert "retention.ms" in requests["config"]


async def test_the_transactional_ids_of_a_worker_are_those_it_is_allowed(render: Render, monkeypatch):
    class Asked(Exception):
        pass

    def ask(options: dict[str, Any], transactional_id: str) -> None:
        raise Asked(transactional_id)

    for module in (modes, exactly_once):
        monkeypatch.setattr(module, "transactional_producer", ask)
    (allowed,) = {
        name.removesuffix("*")
        for kind, name, _ in rights(of_kind(render("cloud", "strimzi"), "KafkaUser")["carteiro-chat"])
        if kind == "transactionalId"
    }
    with pytest.raises(Asked, match=f"^{allowed}probe$"):
        await modes.choose("auto", {}, "carteiro-chat")
    lane = Mock(group="carteiro-chat", partition=TopicPartition(Topics().requests("chat"), 0))
    with pytest.raises(Asked, match=f"^{allowed}llm.chat.requests-0$"):
        await exactly_once.ExactlyOnce({}, lane).open()


def test_what_the_documentation_says_is_needed_is_what_a_user_is_allowed(render: Render):
    users = of_kind(render("cloud", "strimzi", "batches", "strimzi-batches"), "KafkaUser")
    _, _, section = (ROOT / "docs/kafka-security.md").read_text().partition("## What a worker has to be allowed")
    of_workers, of_waiting = map(documented, section.split("And the service of requests that can"))
    generate, chat, waiting = (
        {(name, each) for _, name, each in rights(users[f"carteiro-{user}"])}
        for user in ("generate", "chat", "waiting")
    )
    ours = {each for each in of_workers if "chat" not in each[0]}
    assert ours == generate
    assert of_workers - ours == {each for each in chat if "conversations" in each[0]}
    assert of_waiting == {each for each in waiting if "generate" in each[0]}


def documented(section: str) -> set[tuple[str, str]]:
    """The rights in a document's table."""
    found = set()
    for line in section.splitlines():
        if line.startswith("| ") and "`" in line.split("|")[1]:
            _, resources, operations, _ = line.split("|")
            star = "*" * ("begin with" in resources)
            for name in re.findall("`([^`]+)`", resources):
                found |= {(name + star, each.strip()) for each in operations.split(";")[0].split(",")}
    return found


def test_what_is_scraped_is_there_and_may_be_reached(render: Render):
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


def test_every_worker_may_reach_kafka_and_its_model(render: Render):
    manifests = render("cloud", "batches")
    policies = [each["spec"] for each in of_kind(manifests, "NetworkPolicy").values()]
    for task, deployment in workers(manifests).items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        mine = [each for each in policies if each["podSelector"]["matchLabels"].items() <= labels.items()]
        ports = [port["port"] for each in mine for rule in each.get("egress", ()) for port in rule["ports"]]
        assert sorted(ports) == [53, 53, 443, 9092], task


def test_a_gpu_is_asked_for_by_the_model_alone(render: Render):
    for name, pod in pods(render("local-gpu")).items():
        limits = pod["containers"][0]["resources"]["limits"]
        assert ("nvidia.com/gpu" in limits) == (name == "vllm")


CHECKOV = shutil.which("checkov", path=os.pathsep.join([str(ROOT / ".venv/checkov/bin"), os.environ["PATH"]]))


@pytest.mark.skipif(CHECKOV is None, reason="no checkov: make .venv/checkov/ready")
def test_no_policy_is_broken_but_those_that_are_given_a_reason(render: Render, tmp_path: Path):
    for overlay in OVERLAYS:
        (tmp_path / f"{overlay}.yaml").write_text(yaml.safe_dump_all(render(overlay, *COMPONENTS)))
    # One that is bad, to see that it is noticed.
    bad = workers(render("cloud"))["chat"] | {"metadata": {"name": "bad", "namespace": "carteiro"}}
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(bad).replace("readOnlyRootFilesystem: true", ""))
    command = [CHECKOV, "--config-file", K8S / "checkov.yaml", "--directory", tmp_path, "--output", "json"]
    run = subprocess.run(command, capture_output=True, text=True)
    said = json.loads(run.stdout)
    failed = {(each["resource"], each["check_id"], each["check_name"]) for each in said["results"]["failed_checks"]}
    readonly = "Use read-only filesystem for containers where possible"
    assert failed == {("Deployment.carteiro.bad", "CKV_K8S_22", readonly)}
    assert said["summary"]["passed"] > 2000
    assert said["summary"]["parsing_errors"] == 0
