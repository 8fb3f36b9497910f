"""What was spent within the last minute."""

from collections import deque
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(slots=True)
class Spending:
    """An amount that was spent at a time, in monotonic seconds."""

    at: float
    amount: float
    counted: bool = True


class Window:
    """Holds what is spent to a limit in every 60 seconds, whichever they are."""

    def __init__(self) -> None:
        self._spendings: deque[Spending] = deque()
        self._sum = 0.0

    def spend(self, now: float, amount: float) -> Spending:
        spending = Spending(now, amount)
        self._spendings.append(spending)
        self._sum += amount
        return spending

    def correct(self, spending: Spending, amount: float) -> None:
        """It was this amount."""
        if spending.counted:
            self._sum += amount - spending.amount
        spending.amount = amount

    def spent(self, now: float) -> float:
        """The amount of the last 60 seconds."""
        while self._spendings and self._spendings[0].at + MINUTE <= now:
            gone = self._spendings.popleft()
            gone.counted = False
            self._sum -= gone.amount
        if not self._spendings:
            self._sum = 0.0  # nothing is left of rounding either
        return self._sum

    def wait(self, now: float, amount: float, limit: float) -> float:
        """Seconds until so much may be spent. What is above the limit itself goes when nothing else is counted."""
        excess = self.spent(now) + min(amount, limit) - limit
        if excess <= limit * 1e-9:
            return 0.0
        for spending in self._spendings:
            excess -= spending.amount
            if excess <= limit * 1e-9:
                return spending.at + MINUTE - now
        return self._spendings[-1].at + MINUTE - now if self._spendings else 0.0
