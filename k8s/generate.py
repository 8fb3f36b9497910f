"""Write the manifests that every task has: `make generate`, after a task was added.

The tasks are the folders of services/. The topics have the names that workers use. The parts that are the same for all
tasks are written by hand, in patches next to the generated files. The alerts come from observability/alerts.yaml.
"""

import json
from pathlib import Path
from typing import Any

import yaml

from carteiro.enrichment.enrichment_file import EnrichmentFile, load_enrichment_file
from carteiro.index.collection_source import SERVED_PREFIX
from carteiro.tasks.discovery import find_tasks
from carteiro.tasks.task import Task
from carteiro.tasks.topic_specs import JOURNAL_CONFIG
from carteiro.wire.topics import Topics

K8S = Path(__file__).parent
ALERTS = K8S.parent / "observability" / "alerts.yaml"
DASHBOARD = K8S.parent / "observability" / "grafana" / "dashboards" / "carteiro.json"
EXAMPLES = ("enrich/reviews.yaml", "tools/tools.yaml")
"""Examples of `examples/` that the components of the same name have."""
ENRICHMENT = K8S.parent / "examples" / EXAMPLES[0]
COLLECTION = "docs"
"""The collection of the component `index`."""
HEAD = "# Written by k8s/generate.py.\n"
TOPICS = Topics()
_COMPONENT_LABEL = "app.kubernetes.io/component"
_WEEK_MS = 604_800_000
_CLUSTER_LABEL = {"strimzi.io/cluster": "kafka"}


def generated() -> dict[Path, str]:
    """Return the content of each generated file."""
    tasks = [task.name for task in find_tasks()]
    enrichment = load_enrichment_file(ENRICHMENT)
    files = {
        # The last three have no replicas unless the components `batches`, `enrich` and `index` give them one.
        "base/tasks.yaml": [
            manifest
            for task, replicas in [*((task, 1) for task in tasks), ("batch", 0), ("enrich", 0), ("index", 0)]
            for manifest in (deployment(task, replicas), disruption_budget(task))
        ],
        "components/keda/tasks.yaml": [scaled_object(task, TOPICS.requests(task)) for task in tasks],
        "components/keda-index/index.yaml": [scaled_index()],
        "components/strimzi/topics.yaml": [manifest for task in find_tasks() for manifest in topics(task)],
        "components/strimzi/users.yaml": [user(task) for task in find_tasks()],
        "components/strimzi/identities.yaml": [identity(task) for task in [*tasks, "batch", "enrich", "index"]],
        "components/prometheus/alerts.yaml": [alerts()],
        "components/prometheus/dashboard.yaml": [dashboard()],
        "components/strimzi-batches/topics.yaml": [manifest for task in tasks for manifest in batch_topics(task)],
        "components/strimzi-batches/user.yaml": [batch_user(tasks)],
        "components/strimzi-batches/kustomization.yaml": [strimzi_batches(tasks)],
        "components/strimzi-enrich/topics.yaml": enrichment_topics(enrichment),
        "components/strimzi-enrich/user.yaml": [enrichment_user(enrichment)],
    }
    made = {name: yaml.safe_dump_all(manifests, sort_keys=False, width=120) for name, manifests in files.items()}
    # Kustomize reads no file outside of a component's folder.
    made |= {f"components/{name}": (K8S.parent / "examples" / name).read_text() for name in EXAMPLES}
    return {K8S / name: HEAD + text for name, text in made.items()}


def deployment(task: str, replicas: int) -> dict[str, Any]:
    """Return the Deployment of one task's workers. `base/deployment.yaml` is patched into it."""
    return _task_object("apps/v1", "Deployment", task) | {
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": _labels(task)},
            "template": {"metadata": {"labels": _labels(task)}},
        }
    }


def disruption_budget(task: str) -> dict[str, Any]:
    """Return the disruption budget of one task, for a drain of nodes. `base/disruption.yaml` is patched into it."""
    return _task_object("policy/v1", "PodDisruptionBudget", task) | {
        "spec": {"selector": {"matchLabels": _labels(task)}}
    }


def scaled_object(task: str, topic: str) -> dict[str, Any]:
    """Return the ScaledObject of one task: it scales by the lag of the task's topic. `components/keda/scaling.yaml` is
    patched into it.
    """
    metadata = {
        "bootstrapServersFromEnv": "CARTEIRO_BOOTSTRAP_SERVERS",
        "consumerGroup": TOPICS.group(task),
        # Without it KEDA adds up all topics that the group has ever read.
        "topic": topic,
        # A group that has never committed reads from the beginning, so its lag counts from there.
        "offsetResetPolicy": "earliest",
        "lagThreshold": "64",
        "activationLagThreshold": "0",
        # A worker beyond the number of partitions would have nothing to do.
        "allowIdleConsumers": "false",
        "scaleToZeroOnInvalidOffset": "false",
    }
    return _task_object("keda.sh/v1alpha1", "ScaledObject", task) | {
        "spec": {
            "scaleTargetRef": {"name": f"carteiro-{task}", "envSourceContainerName": "worker"},
            "triggers": [{"type": "kafka", "metadata": metadata}],
        }
    }


def scaled_index() -> dict[str, Any]:
    """Return the ScaledObject of the index service: it scales by the lag of a collection's documents, from one worker.

    One always runs, as it rebuilds the collections and counts their documents.
    """
    name = f"{SERVED_PREFIX}{COLLECTION}"
    (trigger,) = scaled_object(name, TOPICS.documents(name))["spec"]["triggers"]
    scaled, scaling = scaled_object("index", ""), yaml.safe_load((K8S / "components/keda/scaling.yaml").read_text())
    return scaled | {"spec": scaling["spec"] | scaled["spec"] | {"minReplicaCount": 1, "triggers": [trigger]}}


def topics(task: Task[Any, Any]) -> list[dict[str, Any]]:
    """Return a task's topics. Conversations stay until they are deleted."""
    name = task.name
    partitions = {TOPICS.requests(name): 6, TOPICS.replies(name): 6, TOPICS.dead(name): 1}
    found = [_topic(name, topic, number, {"retention.ms": _WEEK_MS}) for topic, number in partitions.items()]
    # Conversations and journals need as many partitions as the topic of requests.
    if task.keeps_conversations:
        found.append(_topic(name, TOPICS.conversations(name), 6, {"cleanup.policy": "compact"}))
    if task.shares_model:
        found.append(_topic(name, TOPICS.journal(name), 6, JOURNAL_CONFIG))
    return found


def batch_topics(task: str) -> list[dict[str, Any]]:
    """Return the topics of a task's deferred requests and batches, with as many partitions as the topic of requests."""
    return [
        _topic(task, TOPICS.deferred(task), 6, {}),
        _topic(task, TOPICS.batches(task), 6, {"cleanup.policy": "compact"}),
    ]


def user(task: Task[Any, Any]) -> dict[str, Any]:
    """Return the Kafka user of a task's workers, with the smallest set of permissions that they need.

    `tests/containers/test_security.py` gives workers on Apache Kafka exactly these permissions.
    """
    name, group = task.name, TOPICS.group(task.name)
    acls = [
        allow("topic", TOPICS.requests(name), "Read", "Describe"),
        allow("topic", TOPICS.replies(name), "Write", "Describe"),
        allow("topic", TOPICS.dead(name), "Write", "Describe"),
        allow("group", group, "Read"),
        # One id for each partition (`worker/delivery/transactional.py`), and one for a trial
        # (`kafka/guarantee.py`).
        allow("transactionalId", f"{group}-", "Write", "Describe", pattern="prefix"),
    ]
    if task.keeps_conversations:
        acls.append(allow("topic", TOPICS.conversations(name), "Read", "Write", "Describe"))
    if task.shares_model:
        acls.append(allow("topic", TOPICS.journal(name), "Read", "Write", "Describe"))
    return _user(name, acls)


def batch_user(tasks: list[str]) -> dict[str, Any]:
    """Return the Kafka user of the batch worker."""
    acls = []
    for task in tasks:
        group = f"{TOPICS.group(task)}-batch"
        acls += [
            allow("topic", TOPICS.deferred(task), "Read", "Describe"),
            allow("topic", TOPICS.batches(task), "Read", "Write", "Describe"),
            allow("topic", TOPICS.replies(task), "Write", "Describe"),
            allow("topic", TOPICS.dead(task), "Write", "Describe"),
            allow("group", group, "Read"),
            allow("transactionalId", f"{group}-", "Write", "Describe", pattern="prefix"),
        ]
    return _user("batch", acls)


def enrichment_topics(file: EnrichmentFile) -> list[dict[str, Any]]:
    """Return the topics of an enrichment that does not wait, with that of its events."""
    return [
        _topic("enrich", file.source, 6, {}),
        _topic("enrich", file.target, 6, {}),
        _topic("enrich", TOPICS.dead(file.served_name), 1, {"retention.ms": _WEEK_MS}),
        _topic("enrich", TOPICS.journal(file.served_name), 6, JOURNAL_CONFIG),
    ]


def enrichment_user(file: EnrichmentFile) -> dict[str, Any]:
    """Return the Kafka user of the workers of an enrichment that does not wait."""
    group = TOPICS.group(file.served_name)
    acls = [
        allow("topic", file.source, "Read", "Describe"),
        allow("topic", file.target, "Write", "Describe"),
        allow("topic", TOPICS.dead(file.served_name), "Write", "Describe"),
        allow("topic", TOPICS.journal(file.served_name), "Read", "Write", "Describe"),
        allow("group", group, "Read"),
        allow("transactionalId", f"{group}-", "Write", "Describe", pattern="prefix"),
    ]
    return _user("enrich", acls)


def strimzi_batches(tasks: list[str]) -> dict[str, Any]:
    """Return the component of the topics and permissions for deferred requests, next to `strimzi` and `batches`."""

    def may_defer(task: str) -> dict[str, Any]:
        rights = allow("topic", TOPICS.deferred(task), "Write", "Describe")
        patch = [{"op": "add", "path": "/spec/authorization/acls/-", "value": rights}]
        return {"target": {"kind": "KafkaUser", "name": f"carteiro-{task}"}, "patch": yaml.safe_dump(patch)}

    return {
        "apiVersion": "kustomize.config.k8s.io/v1alpha1",
        "kind": "Component",
        "namespace": "carteiro",
        "resources": ["topics.yaml", "user.yaml"],
        "patches": [*map(may_defer, tasks)],
    }


def allow(kind: str, name: str, *operations: str, pattern: str = "literal") -> dict[str, Any]:
    """Return the access rule for one resource, or for all resources whose names begin with `name`."""
    resource = {"type": kind, "name": name, "patternType": pattern}
    return {"resource": resource, "operations": list(operations), "host": "*"}


def identity(task: str) -> dict[str, Any]:
    """Return the patch that gives a task's workers the certificate that Strimzi makes for their user."""
    certificate = {"name": "kafka-user", "secret": {"secretName": f"carteiro-{task}", "defaultMode": 0o440}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"carteiro-{task}"},
        "spec": {"template": {"spec": {"volumes": [certificate]}}},
    }


def alerts() -> dict[str, Any]:
    """Return the alert rules, for the Prometheus Operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "carteiro", "labels": {"app.kubernetes.io/part-of": "carteiro"}},
        "spec": yaml.safe_load(ALERTS.read_text()),
    }


def dashboard() -> dict[str, Any]:
    """Return the dashboard, for the sidecar of Grafana's Helm chart, which looks for this label."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": "carteiro-dashboard",
            "labels": {"app.kubernetes.io/part-of": "carteiro", "grafana_dashboard": "1"},
        },
        "data": {"carteiro.json": json.dumps(json.loads(DASHBOARD.read_text()))},
    }


def _topic(task: str, topic: str, partitions: int, config: dict[str, Any]) -> dict[str, Any]:
    manifest = _task_object("kafka.strimzi.io/v1", "KafkaTopic", task)
    return manifest | {
        "metadata": {"name": topic, "labels": manifest["metadata"]["labels"] | _CLUSTER_LABEL},
        "spec": {"partitions": partitions, "replicas": 3, "config": config | {"min.insync.replicas": 2}},
    }


def _user(task: str, acls: list[dict[str, Any]]) -> dict[str, Any]:
    manifest = _task_object("kafka.strimzi.io/v1", "KafkaUser", task)
    manifest["metadata"]["labels"] |= _CLUSTER_LABEL
    return manifest | {"spec": {"authentication": {"type": "tls"}, "authorization": {"type": "simple", "acls": acls}}}


def _labels(task: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": "carteiro", _COMPONENT_LABEL: task}


def _task_object(version: str, kind: str, task: str) -> dict[str, Any]:
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
