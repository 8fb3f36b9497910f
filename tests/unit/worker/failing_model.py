"""A model that fails as it is told."""

from carteiro.models.interface import Completion, Message, Prompt
from carteiro.models.prices import Prices
from carteiro.schemas import Usage
from carteiro.worker.asking.spending import Bill, Caps, Spending

ASKED = Prompt(messages=[Message("user", "hello")])
FREE = Spending(Prices({}), Caps())
DONE = Completion("yes", "stop", Usage())


class Model:
    """Fails with each of `failures` in turn, then with `always` where that is set, else answers."""

    small, context_tokens = False, None

    def __init__(self, *failures, always=None, name="test:model"):
        self.name = name
        self.failures, self.always = list(failures), always
        self.asked = []

    async def load(self): ...
    async def close(self): ...
    def count_tokens(self, text):
        return len(text)

    async def complete(self, prompt):
        self.asked.append(prompt)
        if self.failures and prompt is ASKED:
            raise self.failures.pop(0)
        if self.always:
            raise self.always
        return DONE

    @property
    def calls(self):
        return self.asked.count(ASKED)

    @property
    def probes(self):
        return len(self.asked) - self.calls


def bill(key: bytes | None = None, spending: Spending = FREE) -> Bill:
    return Bill(spending, "generate", key)
