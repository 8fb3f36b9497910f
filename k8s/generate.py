"""Writes what the manifests have once for each task: `python k8s/generate.py`, after a folder was added to services/.

The tasks are the folders of services/, the topics' names those that workers use. What is the same for all tasks is
written by hand, in patches beside the generated files; the alerts are those of observability/alerts.yaml.
"""

from pathlib import Path
from typing import Any

import yaml

from carteiro.cli.services import find_tasks
from carteiro.wire.topics import Topics

K8S = Path(__file__).parent
ALERTS = K8S.parent / "observability" / "alerts.yaml"
HEAD = "# Written by k8s/generate.py.\n"
TOPICS = Topics()
_COMPONENT = "app.kubernetes.io/component"
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
        specs[TOPICS.conversations(task)] = {"partitions": 6, "config": {"cleanup.policy": "compact"}}
    made = []
    for topic, spec in specs.items():
        each = _task_of("kafka.strimzi.io/v1", "KafkaTopic", task)
        each["metadata"] = {"name": topic, "labels": each["metadata"]["labels"] | _CLUSTER}
        made.append(each | {"spec": spec})
    return made


def user(task: str, *, conversations: bool) -> dict[str, Any]:
    """Who the workers of a task are to Kafka, and the least that they need.

    `tests/containers/test_security.py` lets workers on Apache Kafka do what is listed here, and nothing else.
    """

    def allow(kind: str, name: str, *operations: str, pattern: str = "literal") -> dict[str, Any]:
        return {
            "resource": {"type": kind, "name": name, "patternType": pattern},
            "operations": list(operations),
            "host": "*",
        }

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
    made = _task_of("kafka.strimzi.io/v1", "KafkaUser", task)
    made["metadata"]["labels"] |= _CLUSTER
    return made | {
        "spec": {"authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": acls}},
    }


def identity(task: str) -> dict[str, Any]:
    """The patch that gives a task's workers the certificate that Strimzi makes for their user."""
    certificate = {"name": "kafka-user", "secret": {"secretName": f"carteiro-{task}", "defaultMode": 0o440}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"carteiro-{task}"},
        "spec": {"template": {"spec": {"volumes": [certificate]}}},
    }


def alerts() -> dict[str, Any]:
    """The alert rules, for the Prometheus Operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "carteiro", "labels": {"app.kubernetes.io/part-of": "carteiro"}},
        "spec": yaml.safe_load(ALERTS.read_text()),
    }


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
        file.write_text(text)


if __name__ == "__main__":
    main()
