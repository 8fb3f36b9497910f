"""Prices of tokens: the packaged table, an operator's file, and the cost of a usage."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carteiro.models import prices as prices_module
from carteiro.models.errors import ModelUnusable
from carteiro.models.prices import Price, PriceTable, load_prices
from carteiro.schemas import Usage

DOLLARS = st.floats(0, 1000)
COUNTS = st.integers(0, 10**9)


@given(DOLLARS, DOLLARS, DOLLARS, COUNTS, COUNTS, COUNTS)
def test_cost_is_the_sum_of_the_tokens_by_kind(
    price: float, cached_price: float, output: float, prompt: int, cached: int, written: int
) -> None:
    usage = Usage(input_tokens=prompt, cached_input_tokens=cached, output_tokens=written)
    known = min(cached, prompt)
    expected = ((prompt - known) * price + known * cached_price + written * output) / 1e6
    cost = Price(input=price, cached_input=cached_price, output=output).cost(usage)
    assert cost == pytest.approx(expected)
    of_tiers = Price(input=price, cached_input=cached_price, output=output, priority=1.75)
    for tier, share in {"batch": 0.5, "flex": 0.5, "standard": 1, "priority": 1.75}.items():
        in_tier = usage.model_copy(update={"service_tier": tier})
        assert of_tiers.cost(in_tier) == pytest.approx(cost * share)


def test_cached_tokens_without_a_price_have_that_of_the_input() -> None:
    usage = Usage(input_tokens=1_000_000, cached_input_tokens=400_000)
    assert Price(input=2, output=8).cost(usage) == pytest.approx(2)


def test_snapshot_and_an_option_have_the_price_of_the_model() -> None:
    table = PriceTable({"openai:m": Price(input=1, output=2), "openai:m-2025-01-02": Price(input=3, output=4)})
    assert table.price_of("openai:m?api=responses") == table.price_of("openai:m-2026-11-30") == Price(input=1, output=2)
    assert table.price_of("openai:m-2025-01-02") == Price(input=3, output=4)
    assert table.price_of("openai:m-mini") is None


@pytest.mark.parametrize("name", ["local:smollm2", "llamacpp:x.gguf", "openvino:x", "ctranslate2:x", "tensorflow:x"])
def test_model_on_this_machine_is_free(name: str) -> None:
    assert PriceTable({}).price_of(name) == Price(input=0, output=0)


def test_file_of_the_operator_comes_before_the_packaged_table(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('dated = 2026-11-30\n[models]\n"openai:gpt-4.1" = { input = 1, output = 2 }\n')
    packaged, changed = load_prices(), load_prices(file)
    assert changed.models == {**packaged.models, "openai:gpt-4.1": Price(input=1, output=2)}
    assert packaged.models["openai:gpt-4.1"] != Price(input=1, output=2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read: No such file"),
        (b"x = ", "is not TOML"),
        (b"\xff", "is not UTF-8"),
        (b"dated = 2026-11-30\n[models]\nm = { input = -1, output = 1 }", "models.m.input"),
        (b"dated = 2026-11-30\n[models]\nm = { input = 1, output = 1, x = 1 }", "models.m.x"),
    ],
)
def test_invalid_file_is_named_with_its_fault(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "prices.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ModelUnusable, match=words) as caught:
        load_prices(file)
    assert f"CARTEIRO_PRICES: {file}" in str(caught.value)


def test_characters_have_a_price_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text('dated = 2026-11-30\n[models]\n"azure-translator:x" = { characters = 10 }\n')
    price = load_prices(file).price_of("azure-translator:x")
    assert price == Price(input=0, output=0, characters=10)
    usage = Usage(characters=2500, input_tokens=7)
    assert price.cost(usage) == pytest.approx(0.025)
    assert (usage + usage).characters == 5000


def test_language_in_a_services_name_does_not_change_its_price() -> None:
    prices = load_prices()
    assert prices.price_of("azure-language:en") == prices.price_of("azure-language:")
    assert prices.price_of("azure-translator:") is not None
    assert prices.price_of("azure-translator:gpt") is None


def test_price_changes_on_its_date(tmp_path: Path) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(
        'dated = 2026-11-30\n[models]\n"azure:m" = { input = 1, output = 2 }\n'
        '[since.2026-12-15]\n"azure:m" = { input = 3, output = 4 }\n'
        '[since.2027-02-01]\n"azure:m" = { input = 5, output = 6, flex = 0.6 }\n'
    )
    table = load_prices(file)
    days = {date(2026, 12, 14): 1, date(2026, 12, 15): 3, date(2027, 1, 31): 3, date(2027, 2, 1): 5}
    for day, price in days.items():
        found = replace(table, today=lambda day=day: day).price_of("azure:m-2025-01-02")  # type: ignore[misc]
        assert found is not None
        assert found.input == price


def test_file_of_the_operator_comes_before_packaged_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packaged = (
        "dated = 2026-11-30\n[models]\nm = { input = 1, output = 1 }\n[since.2026-01-01]\nm = { input = 2, output = 2 }"
    )
    (tmp_path / "prices.toml").write_text(packaged)
    monkeypatch.setattr(prices_module, "files", lambda _: tmp_path)
    own = tmp_path / "own.toml"
    own.write_text("dated = 2026-11-30\n[models]\nm = { input = 9, output = 9 }")
    assert load_prices().price_of("m") == Price(input=2, output=2)
    assert load_prices(own).price_of("m") == Price(input=9, output=9)
