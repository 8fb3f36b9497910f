"""The dashboard and the alerts query existing metrics, and every alert is explained."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import generate_latest

from carteiro.cli.lag_exporter import REGISTRY as LAG_REGISTRY
from carteiro.schemas import ERROR_CODES
from carteiro.worker.observability.metrics import REGISTRY

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "observability"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
PANELS = json.loads((FOLDER / "grafana/dashboards/carteiro.json").read_text())["panels"]
ALERT_TESTS = Path(__file__).parent / "alerts.test.yaml"
QUERIES = [rule["expr"] for rule in RULES] + [target["expr"] for panel in PANELS for target in panel["targets"]]
COMPOSE = yaml.load((ROOT / "docker-compose.yml").read_text(), yaml.CSafeLoader)


def exposed() -> dict[str, set[str]]:
    """Return the labels of each time series that workers and the lag exporter may expose."""
    found = {"carteiro_lag": {"task", "partition"}}
    assert "carteiro_lag" in generate_latest(LAG_REGISTRY).decode()
    for metric in REGISTRY._collector_to_names:
        labels = set(metric._labelnames)
        for name in (names := REGISTRY._collector_to_names[metric]):
            found[name] = labels | ({"le"} if name.endswith("_bucket") else set())
        assert names
    return found


@pytest.fixture
def promtool() -> str:
    if (found := shutil.which("promtool")) is None:
        pytest.skip("no promtool in PATH: it comes with Prometheus, such as Debian's package of that name")
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_uses_exposed_metrics(query: str):
    known = exposed()
    names = set(re.findall(r"\bcarteiro_\w+", query))
    assert names
    assert names <= set(known), "there is no such metric"
    labels = {label for name in names for label in known[name]} | {"instance"}
    used_labels = {
        label.strip() for group in re.findall(r"(?:by|on) \(([^)]*)\)", query) for label in group.split(",")
    } | set(re.findall(r"[{,](\w+)(?:=~|!=|=)", query))
    assert used_labels <= labels
    for codes in re.findall(r'code=~?"([^"]+)"', query):
        assert set(codes.split("|")) <= set(ERROR_CODES)
    assert query.count("(") == query.count(")")


def test_dashboard_shows_the_most_important_panels_first():
    shown = " ".join(target["expr"] for panel in PANELS for target in panel["targets"])
    tokens = ("tokens_total", "cost_usd_total", "replies_total", "dead_letters_total", "model_circuit_open")
    for metric in ("lag", "in_flight", "queue_seconds", "work_seconds", *tokens):
        assert f"carteiro_{metric}" in shown
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    positions = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in PANELS]
    assert len(set(positions)) == len(positions)


def test_every_alert_has_its_section_in_the_runbook():
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs/run/runbook.md").read_text(), re.MULTILINE)
    assert headings == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook_url"] == f"docs/run/runbook.md#{rule['alert'].lower()}"


def test_alerts_fire_exactly_in_their_test_cases(promtool: str):
    run = subprocess.run([promtool, "test", "rules", ALERT_TESTS], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_alert_is_tested_both_ways_and_with_the_exposed_labels():
    tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
    checks = [check for test in tests for check in test["alert_rule_test"]]
    alerts = {rule["alert"] for rule in RULES}
    assert {check["alertname"] for check in checks if check["exp_alerts"]} == alerts
    assert {check["alertname"] for check in checks if not check["exp_alerts"]} == alerts
    known = exposed()
    for series in (each["series"] for test in tests for each in test["input_series"]):
        labels = set(re.findall(r"[{,](\w+)=", series)) - {"job", "instance"}
        assert labels == known[series.partition("{")[0]], series


def test_prometheus_accepts_its_settings(promtool: str, tmp_path: Path):
    settings = (FOLDER / "prometheus.yaml").read_text()
    (tmp_path / "prometheus.yaml").write_text(settings.replace("/etc/prometheus/", f"{FOLDER}/"))
    run = subprocess.run([promtool, "check", "config", tmp_path / "prometheus.yaml"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert f"{len(RULES)} rules found" in run.stdout


def test_files_mounted_by_compose_exist():
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", ()):
            source = re.sub(r"\$\{\w+:-(.+?)\}", r"\1", volume).split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in COMPOSE["volumes"], f"{name}: {source}"


def test_prometheus_scrapes_every_worker_of_compose():
    scrape = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    (workers,) = [job for job in scrape["scrape_configs"] if job["job_name"] == "carteiro"]
    serving = {name for name, service in COMPOSE["services"].items() if "TASK" in (service.get("environment") or {})}
    assert set(workers["dns_sd_configs"][0]["names"]) == serving
    assert scrape["rule_files"] == ["/etc/prometheus/alerts.yaml"]


def test_grafana_finds_prometheus_and_the_dashboard():
    provisioning = FOLDER / "grafana/provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert {panel["datasource"]["uid"] for panel in PANELS} == {source["uid"]}
    (provider,) = yaml.safe_load((provisioning / "dashboards/carteiro.yaml").read_text())["providers"]
    mounted = {volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted
