"""docker-compose.yml passes every setting on, and publishes each worker's port on this machine."""

from pathlib import Path

import pytest
import yaml

from carteiro.enrichment.enrichment_file import load_enrichment_file
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import env_variable
from carteiro.settings.kafka import KafkaSettings
from carteiro.settings.worker import WorkerSettings
from carteiro.tasks.discovery import find_tasks
from carteiro.wire.topics import Topics

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.load((ROOT / "docker-compose.yml").read_text(), yaml.CSafeLoader)
SERVICES = COMPOSE["services"]
TASKS = [task.name for task in find_tasks()]
WORKERS = {name: service for name, service in SERVICES.items() if "TASK" in service.get("environment", {})}
SETTINGS = [env_variable(kind, field) for kind in (WorkerSettings, ModelSettings) for field in kind.model_fields]


@pytest.mark.parametrize("name", WORKERS)
def test_every_setting_is_passed_to_a_worker(name: str):
    handed_on = {each for each, value in WORKERS[name]["environment"].items() if passes(each, value)}
    # The port inside is fixed. The setting is the port on this machine.
    assert WORKERS[name]["environment"].get("CARTEIRO_HTTP_PORT") is None
    missing = {*SETTINGS, *(f"CARTEIRO_{task.upper()}_MODEL" for task in TASKS)} - handed_on - {"CARTEIRO_HTTP_PORT"}
    assert missing == set()
    assert "${CARTEIRO_HTTP_PORT:-8080}" in WORKERS["worker"]["ports"][0]


@pytest.mark.parametrize("name", ["topics", "lag"])
def test_clients_of_kafka_have_its_address(name: str):
    kafka = {env_variable(KafkaSettings, field) for field in KafkaSettings.model_fields}
    assert kafka <= set(SERVICES[name]["environment"])


def passes(name: str, value: str | None) -> bool:
    """True if Compose takes the variable of this name from the environment."""
    return value is None or value.startswith(f"${{{name}:-")


def test_default_is_one_worker_and_a_profile_runs_a_worker_for_each_task():
    default = {name for name, service in WORKERS.items() if "profiles" not in service}
    assert default == {"worker"}
    assert WORKERS["worker"]["environment"]["TASK"] == ""
    one_each = {name: service for name, service in WORKERS.items() if service.get("profiles") == ["services"]}
    assert {name: service["environment"]["TASK"] for name, service in one_each.items()} == {
        task: task for task in TASKS
    }


def test_every_worker_has_its_own_local_port():
    ports = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert len(set(ports)) == len(ports)
    assert all(service["ports"] for service in WORKERS.values())


def test_example_of_enrichment_has_its_file_its_topics_and_its_events() -> None:
    worker, producer = SERVICES["enrich"], SERVICES["reviews"]
    assert worker["profiles"] == producer["profiles"] == ["enrich"]
    example = ROOT / "examples/enrich/reviews.yaml"
    assert worker["environment"]["CARTEIRO_ENRICHMENTS"] == f"${{CARTEIRO_ENRICHMENTS:-/{example.relative_to(ROOT)}}}"
    for service in (worker, producer):
        assert "./examples/enrich:/examples/enrich:ro" in service["volumes"]
    file = load_enrichment_file(example)
    topics = {file.source, file.target, Topics("${CARTEIRO_TOPIC_PREFIX:-llm}").dead(file.served_name)}
    assert set(producer["environment"]["TOPICS"].split()) == topics
    (script,) = producer["command"]
    assert f"--topic {file.source} </{example.with_suffix('.jsonl').relative_to(ROOT)}" in script
    assert worker["depends_on"]["reviews"] == {"condition": "service_completed_successfully"}
