"""The doctor's check of prices and budget limits, which would otherwise end a worker."""

from pathlib import Path

import pytest

from carteiro.cli.doctor.model_checks import check_budget
from carteiro.settings.worker import WorkerSettings
from services.generate.task import task

SERVER = "http://127.0.0.1:1/v1#model"


def test_missing_limits_and_prices_give_no_finding():
    assert check_budget([task], WorkerSettings(model=SERVER)) is None


def test_limit_without_a_price_is_a_fault_that_names_the_model():
    found = check_budget([task], WorkerSettings(model=SERVER, spend_per_day_usd=1))
    assert found is not None
    assert found.verdict == "fault"
    assert SERVER in found.message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file or directory"),
        ("[models", "is not TOML"),
        ('dated = 2026-11-24\n[models]\n"a:b" = { input = "much", output = 1 }', "models.a:b.input: must be a number"),
    ],
)
def test_unreadable_prices_are_a_fault_in_plain_words(tmp_path: Path, content: str | None, reason: str):
    prices = tmp_path / "prices.toml"
    if content is not None:
        prices.write_text(content)
    found = check_budget([task], WorkerSettings(model=SERVER, prices=prices))
    assert found is not None
    assert found.verdict == "fault"
    assert f"CARTEIRO_PRICES: {prices}: {reason}" in found.message


def test_limit_with_a_price_gives_no_fault(tmp_path: Path):
    prices = tmp_path / "prices.toml"
    prices.write_text(f'dated = 2026-11-24\n[models]\n"{SERVER}" = {{ input = 1, output = 1 }}')
    found = check_budget([task], WorkerSettings(model=SERVER, prices=prices, spend_per_day_usd=1))
    assert found is not None
    assert found.verdict == "ok"
