"""The amount that was spent within the last minute."""

from collections import deque
from dataclasses import dataclass

from carteiro.models.cloud.quota.rate_limit_headers import MINUTE


@dataclass(slots=True)
class Charge:
    """An amount that was spent at a time, in monotonic seconds."""

    at: float
    amount: float
    counted: bool = True


class SlidingWindow:
    """Limit for the amount in every period of 60 seconds."""

    def __init__(self) -> None:
        self._charges: deque[Charge] = deque()
        self._sum = 0.0

    def spend(self, now: float, amount: float) -> Charge:
        charge = Charge(now, amount)
        self._charges.append(charge)
        self._sum += amount
        return charge

    def correct(self, charge: Charge, amount: float) -> None:
        """Correct the charge to this amount."""
        if charge.counted:
            self._sum += amount - charge.amount
        charge.amount = amount

    def amount_spent(self, now: float) -> float:
        """Return the amount of the last 60 seconds."""
        while self._charges and self._charges[0].at + MINUTE <= now:
            gone = self._charges.popleft()
            gone.counted = False
            self._sum -= gone.amount
        if not self._charges:
            self._sum = 0.0  # This removes the rounding errors.
        return self._sum

    def wait(self, now: float, amount: float, limit: float) -> float:
        """Return the seconds until the amount may be spent. An amount above the limit waits until no other amount
        counts.
        """
        excess = self.amount_spent(now) + min(amount, limit) - limit
        if excess <= limit * 1e-9:
            return 0.0
        for charge in self._charges:
            excess -= charge.amount
            if excess <= limit * 1e-9:
                return charge.at + MINUTE - now
        return self._charges[-1].at + MINUTE - now if self._charges else 0.0
