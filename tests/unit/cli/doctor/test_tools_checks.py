"""The checks of served tools, on a file and the topics that a test gives."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError

from carteiro.cli.doctor import tools_checks as module
from carteiro.cli.doctor.finding import Finding
from carteiro.extras import ExtraMissing
from carteiro.settings.worker import WorkerSettings
from tests.unit.cli.doctor.fake_admin import replace_admin_client

FILE = """
topics:
  order_status: {topic: orders, replies: states, description: The state of an order.}
servers:
  time: {command: [sh], tools: [now]}
  docs: {url: "https://docs.example/mcp", token_variable: DOCS_TOKEN, tools: [search, read]}
"""


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    monkeypatch.setenv("DOCS_TOKEN", "secret")
    return replace_admin_client(monkeypatch, module, ["orders", "states"])


async def check(tmp_path: Path, text: str = FILE) -> list[Finding]:
    path = tmp_path / "tools.yaml"
    path.write_text(text)
    return [finding async for finding in module.check_tools(WorkerSettings(tools=path))]


async def test_settings_without_a_file_have_no_finding() -> None:
    assert [finding async for finding in module.check_tools(WorkerSettings())] == []


@pytest.mark.usefixtures("kafka")
async def test_good_file_is_counted_and_its_topics_are_named(tmp_path: Path) -> None:
    findings = await check(tmp_path)
    assert [(each.what, each.verdict) for each in findings] == [("tools", "ok"), ("topics of order_status", "ok")]
    assert findings[0].message.endswith("tools.yaml serves 4 tools")


@pytest.mark.usefixtures("kafka")
async def test_wrong_lines_are_faults_in_the_words_of_a_workers_start(tmp_path: Path) -> None:
    findings = await check(tmp_path, "servers: {time: {tools: [now]}}\nmax_rounds: 99\n")
    assert [each.verdict for each in findings] == ["fault", "fault"]
    assert "tools.yaml: line 1: servers.time: needs one of command and url" in findings[0].message
    assert "tools.yaml: line 2: max_rounds: must be at most 32" in findings[1].message


async def test_file_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    settings = WorkerSettings(tools=tmp_path / "none.yaml")
    (finding,) = [finding async for finding in module.check_tools(settings)]
    assert (finding.verdict, "cannot be read" in finding.message) == ("fault", True)


async def test_missing_library_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def needs(*_: str) -> None:
        raise ExtraMissing("CARTEIRO_TOOLS needs mcp: pip install 'carteiro[mcp]'")

    monkeypatch.setattr(module, "needs", needs)
    (finding,) = await check(tmp_path)
    assert (finding.verdict, "needs mcp" in finding.message) == ("fault", True)


async def test_broker_that_is_away_is_no_finding_of_its_own(tmp_path: Path, kafka: SimpleNamespace) -> None:
    kafka.failure = KafkaConnectionError("away")
    assert [each.what for each in await check(tmp_path)] == ["tools"]


async def test_missing_program_variable_or_topic_is_a_warning(
    tmp_path: Path, kafka: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCS_TOKEN")
    kafka.topics = ["orders"]
    _, time, docs, topics = await check(tmp_path, FILE.replace("[sh]", "[no-such-program]"))
    assert (time.what, time.verdict, time.message) == ("server time", "warning", "no-such-program is no program here")
    assert (docs.what, docs.verdict, docs.message) == ("server docs", "warning", "DOCS_TOKEN is not set")
    assert (topics.verdict, topics.message) == ("warning", "there is no states")


async def test_kafka_that_does_not_list_its_topics_is_a_fault(tmp_path: Path, kafka: SimpleNamespace) -> None:
    kafka.failure = TopicAuthorizationFailedError("no")
    *_, finding = await check(tmp_path)
    assert (finding.what, finding.verdict) == ("topics of tools", "fault")
