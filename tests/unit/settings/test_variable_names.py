"""Environment variables that are not settings."""

import pytest

from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import env_variable
from carteiro.settings.variable_names import find_unknown_variables
from carteiro.settings.worker import WorkerSettings


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("CARTEIRO_MODLE", "CARTEIRO_MODEL"),
        ("CARTEIRO_BOOTSTRAP_SERVER", "CARTEIRO_BOOTSTRAP_SERVERS"),
        ("CARTEIRO_CHT_MODEL", "CARTEIRO_CHAT_MODEL"),
        ("CARTEIRO_SPEND_PER_DAY", "CARTEIRO_SPEND_PER_DAY_USD"),
        ("CARTEIRO_MODEL_TIMEOUT", "CARTEIRO_MODEL_TIMEOUT_SECONDS"),
        ("CARTERIO_MODEL", "CARTEIRO_MODEL"),
        ("carteiro_modle", "CARTEIRO_MODEL"),
    ],
)
def test_misspelt_variable_is_reported_with_the_nearest_setting(name: str, nearest: str):
    assert find_unknown_variables([name, "PATH"]) == [f"{name.upper()} is no setting: did you mean {nearest}?"]


def test_unknown_variable_is_reported():
    assert find_unknown_variables(["CARTEIRO_ZZZ"]) == ["CARTEIRO_ZZZ is no setting; docs/run/settings.md lists them"]


def test_settings_and_foreign_variables_are_not_reported():
    ours = [env_variable(kind, field) for kind in (WorkerSettings, ModelSettings) for field in kind.model_fields]
    others = ["CARTEIRO_WORKERS", "CARTEIRO_CHAT_MODEL", "carteiro_model", "CARGO_HOME", "CARTESIAN_DIR"]
    kubernetes = ["CARTEIRO_CHAT_SERVICE_HOST", "CARTEIRO_CHAT_SERVICE_PORT", "CARTEIRO_CHAT_PORT_8080_TCP_ADDR"]
    assert find_unknown_variables([*ours, *others, *kubernetes]) == []
