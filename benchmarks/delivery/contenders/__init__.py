"""The compared contenders, each in its own process: `python -m benchmarks.delivery.contenders MODULE JOB`."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A way to serve requests. `module` is the full name of its module, which gets the `options`."""

    name: str
    module: str
    options: Mapping[str, str | int] = field(default_factory=dict)
    one_at_a_time: bool = False
    """True if it has no concurrency: a request starts when the one before it has ended."""
    through_sdk: bool = False
    """True if it is measured only with a server as the model: elsewhere, another contender shows as much."""
    as_shipped: bool = False
    """True if it logs at its default level, not at `warning`. Measured with the cheapest requests, in `zero`."""
    programs: tuple[str, ...] = ()
    """Programs that it needs. Without them it is left out."""

    def missing_program(self) -> str | None:
        """Return the first program that is not on this machine, or None."""
        return next((name for name in self.programs if not shutil.which(name)), None)


def _carteiro(delivery: str, *, as_shipped: bool = False) -> Contender:
    name = f"carteiro {delivery}" + (" as shipped" if as_shipped else "")
    return Contender(
        name=name, module=f"{__name__}.carteiro_worker", options={"delivery": delivery}, as_shipped=as_shipped
    )


def _share_consumer(consumers: int) -> Contender:
    return Contender(
        name="share consumer" if consumers == 1 else f"share consumer x{consumers}",
        module=f"{__name__}.share_consumer",
        options={"consumers": consumers},
        through_sdk=consumers > 1,
        programs=("java", "javac"),
    )


RAW = Contender(name="raw aiokafka", module=f"{__name__}.raw")
AT_LEAST_ONCE, EXACTLY_ONCE = _carteiro("at_least_once"), _carteiro("exactly_once")
CONTENDERS = (
    RAW,
    Contender(
        name="raw aiokafka + LiteLLM router", module=f"{__name__}.raw", options={"client": "litellm"}, through_sdk=True
    ),
    _share_consumer(1),
    _share_consumer(64),
    Contender(name="faststream", module=f"{__name__}.faststream_app", one_at_a_time=True),
    Contender(
        name="faststream ACK", module=f"{__name__}.faststream_app", options={"ack_policy": "ack"}, one_at_a_time=True
    ),
    Contender(name="faststream max_workers=64", module=f"{__name__}.faststream_app", options={"max_workers": 64}),
    AT_LEAST_ONCE,
    EXACTLY_ONCE,
    _carteiro("at_least_once", as_shipped=True),
    _carteiro("exactly_once", as_shipped=True),
)
