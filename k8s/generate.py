"""Writes what the manifests have once for each task: `python k8s/generate.py`, after a folder was added to services/.

The tasks are the folders of services/, the topics' names those that workers use. What is the same for all tasks is
written by hand, in patches beside the generated files; the alerts are those of observability/alerts.yaml.
"""

from pathlib import Path
from typing import Any

import yaml

from carteiro.wire.topics import Topics
from carteiro.worker.services import find_tasks

K8S = Path(__file__).parent
ALERTS = K8S.parent / "observability" / "alerts.yaml"
HEAD = "# Written by k8s/generate.py.\n"
TOPICS = Topics()
_COMPONENT = "app.kubernetes.io/component"
_PART = {"app.kubernetes.io/part-of": "carteiro"}
_COMPACTED = {"partitions": 6, "config": {"cleanup.policy": "compact"}}
_CLUSTER = {"strimzi.io/cluster": "kafka"}


def generated() -> dict[Path, str]:
    """What each generated file has to hold."""
    tasks = [task.name for task in find_tasks()]
    talkers = {task.name for task in find_tasks() if task.keeps_conversations}
    files = {
        "base/tasks.yaml": [made for task in tasks for made in (deployment(task), disruption_budget(task))],
        "components/keda/tasks.yaml": [scaled_object(task) for task in tasks],
        "components/strimzi/topics.yaml": [
            made for task in tasks for made in topics(task, conversations=task in talkers)
        ],
        "components/strimzi/users.yaml": [user(task, conversations=task in talkers) for task in tasks],
        "components/strimzi/identities.yaml": [identity(task) for task in tasks],
        "components/prometheus/alerts.yaml": [alerts()],
        "components/batches/waiting.yaml": [waiting(), spared()],
        "components/strimzi-batches/topics.yaml": [made for task in tasks for made in waiting_topics(task)],
        "components/strimzi-batches/user.yaml": [waiting_user(tasks)],
        "components/strimzi-batches/identity.yaml": [waiting_identity()],
        "components/strimzi-batches/kustomization.yaml": [strimzi_batches(tasks)],
    }
    return {K8S / name: HEAD + yaml.safe_dump_all(made, sort_keys=False, width=120) for name, made in files.items()}


def deployment(task: str) -> dict[str, Any]:
    """Whose workers these are. `base/deployment.yaml` is patched into it."""
    return _task_of("apps/v1", "Deployment", task) | {
        "spec": {
            "selector": {"matchLabels": _labels(task)},
            "template": {"metadata": {"labels": _labels(task)}},
        }
    }


def waiting() -> dict[str, Any]:
    """The workers of requests that can wait. They are no part of the base, so its patches are put in here."""
    made = merged(deployment("waiting"), yaml.safe_load((K8S / "base/deployment.yaml").read_text()))
    made["spec"]["template"]["metadata"]["labels"] |= _PART
    (worker,) = made["spec"]["template"]["spec"]["containers"]
    # Ten thousand requests of some KB wait in memory.
    worker["resources"] = {"requests": {"cpu": "100m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}}
    return merged(made, merged(deployment("waiting"), {"metadata": {"labels": _PART}}))


def spared() -> dict[str, Any]:
    """Their disruption budget, likewise."""
    made = merged(disruption_budget("waiting"), yaml.safe_load((K8S / "base/disruption.yaml").read_text()))
    return merged(made, merged(disruption_budget("waiting"), {"metadata": {"labels": _PART}}))


def merged(one: Any, other: Any) -> Any:
    """Mappings in mappings, with what the other says laid over the one; lists are not mixed."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return one | {name: merged(one[name], value) if name in one else value for name, value in other.items()}


def disruption_budget(task: str) -> dict[str, Any]:
    """Whom a drain of nodes is to spare. `base/disruption.yaml` is patched into it."""
    return _task_of("policy/v1", "PodDisruptionBudget", task) | {"spec": {"selector": {"matchLabels": _labels(task)}}}


def scaled_object(task: str) -> dict[str, Any]:
    """What to scale, and by whose lag. `components/keda/scaling.yaml` is patched into it."""
    metadata = {
        "bootstrapServersFromEnv": "CARTEIRO_BOOTSTRAP_SERVERS",
        "consumerGroup": f"carteiro-{task}",
        # Without it KEDA adds up all topics that the group has ever read.
        "topic": TOPICS.requests(task),
        # A group that has never committed reads from the beginning, so its lag counts from there.
        "offsetResetPolicy": "earliest",
        "lagThreshold": "64",
        "activationLagThreshold": "0",
        # A worker beyond the number of partitions would have nothing to do.
        "allowIdleConsumers": "false",
        "scaleToZeroOnInvalidOffset": "false",
    }
    return _task_of("keda.sh/v1alpha1", "ScaledObject", task) | {
        "spec": {
            "scaleTargetRef": {"name": f"carteiro-{task}", "envSourceContainerName": "worker"},
            "triggers": [{"type": "kafka", "metadata": metadata}],
        }
    }


def topics(task: str, *, conversations: bool) -> list[dict[str, Any]]:
    """A task's topics. `components/strimzi/topic.yaml` is patched into them."""
    partitions = {TOPICS.requests(task): 6, TOPICS.replies(task): 6, TOPICS.dead(task): 1}
    specs: dict[str, dict[str, Any]] = {topic: {"partitions": number} for topic, number in partitions.items()}
    if conversations:
        # As many partitions as the topic of requests has.
        specs[TOPICS.conversations(task)] = _COMPACTED
    return [_topic(task, topic, spec) for topic, spec in specs.items()]


def waiting_topics(task: str) -> list[dict[str, Any]]:
    """Where a task's requests wait for a batch, and what is kept of the batches; as many partitions as the requests."""
    patch = yaml.safe_load((K8S / "components/strimzi/topic.yaml").read_text())["spec"]
    specs = {TOPICS.waiting(task): {"partitions": 6}, TOPICS.batches(task): _COMPACTED}
    return [_topic(task, topic, merged(spec, patch)) for topic, spec in specs.items()]


def user(task: str, *, conversations: bool) -> dict[str, Any]:
    """Who the workers of a task are to Kafka, and the least that they need.

    `tests/containers/test_security.py` lets workers on Apache Kafka do what is listed here, and nothing else.
    """
    group = f"carteiro-{task}"
    acls = [
        allow("topic", TOPICS.requests(task), "Read", "Describe"),
        allow("topic", TOPICS.replies(task), "Write", "Describe"),
        allow("topic", TOPICS.dead(task), "Write", "Describe"),
        allow("group", group, "Read"),
        # One for each partition (`worker/delivery/exactly_once.py`), and one to try (`worker/delivery/modes.py`).
        allow("transactionalId", f"{group}-", "Write", "Describe", pattern="prefix"),
    ]
    if conversations:
        acls.append(allow("topic", TOPICS.conversations(task), "Read", "Write", "Describe"))
    return _user(task, acls)


def waiting_user(tasks: list[str]) -> dict[str, Any]:
    """The same for the workers of requests that can wait."""
    acls = []
    for task in tasks:
        group = f"carteiro-{task}-waiting"
        acls += [
            allow("topic", TOPICS.waiting(task), "Read", "Describe"),
            allow("topic", TOPICS.batches(task), "Read", "Write", "Describe"),
            allow("topic", TOPICS.replies(task), "Write", "Describe"),
            allow("topic", TOPICS.dead(task), "Write", "Describe"),
            allow("group", group, "Read"),
            allow("transactionalId", f"{group}-", "Write", "Describe", pattern="prefix"),
        ]
    return _user("waiting", acls)


def strimzi_batches(tasks: list[str]) -> dict[str, Any]:
    """The component of the topics and rights that requests that can wait need, beside `strimzi` and `batches`."""

    def may_set_aside(task: str) -> dict[str, Any]:
        rights = allow("topic", TOPICS.waiting(task), "Write", "Describe")
        patch = [{"op": "add", "path": "/spec/authorization/acls/-", "value": rights}]
        return {"target": {"kind": "KafkaUser", "name": f"carteiro-{task}"}, "patch": yaml.safe_dump(patch)}

    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "namespace": "carteiro",
        "resources": ["topics.yaml", "user.yaml"],
        "patches": [
            {"path": "identity.yaml"},
            *map(may_set_aside, tasks),
        ],
    }


def allow(kind: str, name: str, *operations: str, pattern: str = "literal") -> dict[str, Any]:
    """What somebody may do with one resource, or with all whose names begin so."""
    resource = {"type": kind, "name": name, "patternType": pattern}
    return {"resource": resource, "operations": list(operations), "host": "*"}


def identity(task: str) -> dict[str, Any]:
    """The patch that gives a task's workers the certificate that Strimzi makes for their user."""
    certificate = {"name": "kafka-user", "secret": {"secretName": f"carteiro-{task}", "defaultMode": 0o440}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"carteiro-{task}"},
        "spec": {"template": {"spec": {"volumes": [certificate]}}},
    }


def waiting_identity() -> dict[str, Any]:
    """The same for the workers of requests that can wait, with the patch that all others get: `strimzi` has it for
    those alone that are there when it is put together."""
    made = identity("waiting")
    pod = yaml.safe_load((K8S / "components/strimzi/connection.yaml").read_text())["spec"]["template"]["spec"]
    volumes = [*pod["volumes"], *made["spec"]["template"]["spec"]["volumes"]]
    made["spec"]["template"]["spec"] = pod | {"volumes": volumes}
    return made


def alerts() -> dict[str, Any]:
    """The alert rules, for the Prometheus Operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "carteiro", "labels": {"app.kubernetes.io/part-of": "carteiro"}},
        "spec": yaml.safe_load(ALERTS.read_text()),
    }


def _topic(task: str, topic: str, spec: dict[str, Any]) -> dict[str, Any]:
    made = _task_of("kafka.strimzi.io/v1", "KafkaTopic", task)
    return made | {"metadata": {"name": topic, "labels": made["metadata"]["labels"] | _CLUSTER}, "spec": spec}


def _user(task: str, acls: list[dict[str, Any]]) -> dict[str, Any]:
    made = _task_of("kafka.strimzi.io/v1", "KafkaUser", task)
    made["metadata"]["labels"] |= _CLUSTER
    return made | {"spec": {"authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": acls}}}


def _labels(task: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "carteiro", _COMPONENT: task}


def _task_of(version: str, kind: str, task: str) -> dict[str, Any]:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": f"carteiro-{task}", "labels": _labels(task)},
    }


def main() -> None:
    """Write the files."""
    for file, text in generated().items():
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
