"""Tables of the measurements, and the meaning of their columns."""

import itertools
from collections.abc import Sequence

from benchmarks.quota.contenders import CALLERS
from benchmarks.quota.http import WARM_UP, HttpResult
from benchmarks.quota.simulation import SimulationResult
from benchmarks.results import Table

SIMULATED = """\
Many workers that do not talk to each other, on one provider; all start at the same moment and always have work.
1 and 20 workers share 600 calls a minute, 200 share 6,000; latency is around 1 s. *Used*: of the quota; *after
warm-up*: calls refused; both without the first minute (without headers: three). *Refused*: of all calls, the start
included. *Max/min*: calls of the luckiest worker divided by those of the unluckiest. *Halved*, *doubled*: after that
change of the quota, the seconds until the use of 15 s stays within 15% of the new quota."""
_HTTP = """\
{limit:g} requests a minute, a bucket that holds one second of them, {callers} callers, latency around 1 s,
{seconds:g} s each. *Used*: of the quota, after {warm_up:g} s. *Refused*: of all calls. *p50*, *p99*: from the wish to
the answer. The SDK and LiteLLM's router are set up in `benchmarks/quota/contenders.py`, with retries and no cooldown;
another setup may do better, and LiteLLM's figures change from run to run."""


def about_http(measured: HttpResult) -> str:
    """Return the description of the measurement and of the columns."""
    return _HTTP.format(limit=measured.limit, callers=CALLERS, seconds=measured.seconds, warm_up=WARM_UP)


def table_http(measured: Sequence[HttpResult]) -> Table:
    rows = [
        [
            each.name,
            f"{each.used_share:.1%}",
            f"{each.refused_share:.1%}",
            str(each.calls),
            f"{each.wait_quantile(0.5):.1f}",
            f"{each.wait_quantile(0.99):.1f}",
        ]
        for each in measured
    ]
    return Table(["contender", "used", "refused", "calls", "p50 s", "p99 s"], rows)


def table_simulated(outcomes: Sequence[SimulationResult]) -> Table:
    headings = ["scenario", "used", "refused", "after warm-up", "max/min", "calls", "halved: s", "doubled: s"]
    rows = []
    for each in outcomes:
        steps = [*(second for second, _ in each.scenario.changes), each.scenario.seconds]
        settled = [f"{each.settled_after(a, b):.0f}" for a, b in itertools.pairwise(steps)]
        shares = [f"{each.used_share():.1%}", f"{each.refused_share:.2%}", f"{each.steady_refused_share:.2%}"]
        rows.append([each.scenario.name, *shares, f"{each.fairness:.2f}", str(each.calls), *settled])
    return Table(headings, [row + [""] * (len(headings) - len(row)) for row in rows])
