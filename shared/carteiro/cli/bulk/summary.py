"""Summary of the replies of a job."""

from collections import Counter
from typing import Any

from pydantic import ValidationError

from carteiro.cli.plural import pluralise
from carteiro.schemas import Usage
from carteiro.schemas.reply import round_cost


class JobSummary:
    """Counter of replies, updated as they arrive."""

    def __init__(self) -> None:
        self.ok = 0
        self.errors: Counter[str] = Counter()
        """Number of errors by code."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd = 0.0
        self.priced = 0
        """Number of replies whose cost is known."""
        self.unpriced = 0
        """Number of replies with tokens of unknown cost."""
        self.by_batch = 0
        self.by_batch_usd = 0.0

    def add(self, reply: dict[str, Any]) -> None:
        """Count one reply's JSON."""
        if reply.get("status") in ("ok", "stored"):
            self.ok += 1
        else:
            error = reply.get("error")
            self.errors[str(error.get("code")) if isinstance(error, dict) else "unknown"] += 1
        try:
            usage = Usage.model_validate(reply.get("usage") or {})
        except ValidationError:
            # A newer service may count in another way; the reply itself is still valid.
            return
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        self.cost_usd += usage.cost_usd or 0.0
        self.priced += usage.cost_usd is not None
        self.unpriced += usage.cost_usd is None and bool(usage.input_tokens or usage.output_tokens)
        if usage.service_tier == "batch":
            self.by_batch += 1
            self.by_batch_usd += usage.cost_usd or 0.0

    @property
    def failed(self) -> int:
        """Number of replies that are errors."""
        return self.errors.total()

    def one_line(self) -> str:
        """Return the summary as one line."""
        answered = f"{self.ok + self.failed} answered: {self.ok} ok"
        if self.errors:
            codes = ", ".join(f"{count} {code}" for code, count in self.errors.most_common())
            answered += f", {pluralise(self.failed, 'error')} ({codes})"
        return f"{answered}; {self.input_tokens} + {self.output_tokens} tokens; {self._cost()}"

    def as_dict(self) -> dict[str, object]:
        """Return the summary for programs. The cost is that of the `priced` replies, whose cost is known."""
        return {
            "ok": self.ok,
            "errors": dict(self.errors),
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": round_cost(self.cost_usd),
            "priced": self.priced,
            "unpriced": self.unpriced,
            "by_batch": self.by_batch,
            "by_batch_usd": self.by_batch_usd,
        }

    def _cost(self) -> str:
        if not self.priced:
            batch = f"; {self.by_batch} by batch" if self.by_batch else ""
            return f"cost not known{batch}" if self.unpriced else "0 USD"
        batch = f"{self.by_batch_usd:.6f} of it by batch ({pluralise(self.by_batch, 'request')})"
        cost = f"{self.cost_usd:.6f} USD, {batch if self.by_batch else 'none of it by batch'}"
        return f"{cost}, and {self.unpriced} of unknown price" if self.unpriced else cost
