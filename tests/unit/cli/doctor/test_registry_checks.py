import pytest

from carteiro.cli.doctor.registry_checks import check_registry
from tests.registry_server import RegistryServer


@pytest.fixture(autouse=True)
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CARTEIRO_SCHEMA_REGISTRY_URL", raising=False)


async def test_settings_without_a_registry_have_no_finding() -> None:
    assert await check_registry() is None


async def test_wrong_settings_are_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_SCHEMA_REGISTRY_URL", "registry:8081")
    finding = await check_registry()
    assert finding is not None
    assert (finding.verdict, "CARTEIRO_SCHEMA_REGISTRY_URL" in finding.message) == ("fault", True)


@pytest.mark.parametrize(
    ("status", "verdict", "message"),
    [(0, "ok", "it answers"), (403, "ok", "it answers"), (401, "fault", "answers 401"), (503, "fault", "answers 503")],
)
async def test_registry_is_asked(monkeypatch: pytest.MonkeyPatch, status: int, verdict: str, message: str) -> None:
    async with RegistryServer() as server:
        monkeypatch.setenv("CARTEIRO_SCHEMA_REGISTRY_URL", server.url)
        server.fault = status
        finding = await check_registry()
    assert finding is not None
    assert (finding.verdict, message in finding.message) == (verdict, True)
