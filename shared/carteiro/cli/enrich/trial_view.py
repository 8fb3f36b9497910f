"""The output of `carteiro enrich --try`: each event before and after, and its price."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.syntax import Syntax
from rich.table import Table

from carteiro.cli.json_lines import print_json
from carteiro.cli.plural import pluralise
from carteiro.cli.terminal_escape import escape, render_value
from carteiro.wire.record import record_id

if TYPE_CHECKING:
    from carteiro.worker.composition.enrichment_trial import TrialResult

_ACTIONS = {"send": "", "drop": "dropped", "dead_letter": "dead letter"}


def print_result(console: Console, result: "TrialResult") -> None:
    """Print one event: its numbers, and its value before and after, side by side."""
    enriched = result.enriched
    if enriched.action == "send" and enriched.value == (result.before or b"") and not enriched.errors:
        console.print(f"{record_id(result.record)}  unchanged", style="bold", markup=False)
        return
    parts = [
        record_id(result.record),
        pluralise(_tokens(result), "token"),
        _price(_cost(result)),
        f"{result.seconds:.1f} s",
    ]
    console.print("  ".join(filter(None, [*parts, _ACTIONS[enriched.action]])), style="bold", markup=False)
    table = Table(show_header=False, expand=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(ratio=1, overflow="fold")
    table.add_row(_pretty(result.before), "" if enriched.action != "send" else _pretty(enriched.value))
    console.print(table)
    for error in enriched.errors:
        line = f"  {error.name}: {error.code}: {error.message}"
        console.print(escape(line), style="red", markup=False, soft_wrap=True)


def print_totals(console: Console, results: Sequence["TrialResult"], backlog: int) -> None:
    """Print the sums, and the price of the backlog at the mean of these events."""
    tokens, costs = sum(map(_tokens, results)), [_cost(each) for each in results]
    cost = None if None in costs else sum(each or 0.0 for each in costs)
    failed = sum(bool(each.enriched.errors) for each in results)
    console.print(
        f"{pluralise(len(results), 'event')}, {failed} with errors, {pluralise(tokens, 'token')}, {_price(cost)}. "
        "Nothing was written.",
        soft_wrap=True,
    )
    share = backlog / len(results)
    price = _price(cost * share) if cost is not None else f"{_price(None)} (docs/run/spending.md)"
    console.print(
        f"Backlog: {pluralise(backlog, 'event')}; at the mean of these, {pluralise(round(tokens * share), 'token')}, "
        f"{price}.",
        soft_wrap=True,
    )


def print_result_as_json(result: "TrialResult") -> None:
    """Print one event as a line."""
    before, after = result.before, result.enriched.value
    print_json(
        {
            "event_id": record_id(result.record),
            "action": result.enriched.action,
            "before": before.decode(errors="replace") if before is not None else None,
            "after": after.decode(errors="replace") if before is not None else None,
            "errors": [error.as_json() for error in result.enriched.errors],
            "usage": result.usage.model_dump(),
            "seconds": round(result.seconds, 3),
        }
    )


def _pretty(value: bytes | None) -> Syntax:
    note, text = render_value(value) if value is not None else ("", "null (a tombstone)")
    return Syntax(text, "json" if note == "JSON" else "text", word_wrap=True)


def _tokens(result: "TrialResult") -> int:
    return result.usage.input_tokens + result.usage.output_tokens


def _cost(result: "TrialResult") -> float | None:
    """Return US dollars; 0 without a call of a model, and None if the price of a model is not known."""
    return result.usage.cost_usd if _tokens(result) else 0.0


def _price(dollars: float | None) -> str:
    return "price unknown" if dollars is None else f"{dollars:.6f} USD" if 0 < dollars < 0.01 else f"{dollars:,.2f} USD"
