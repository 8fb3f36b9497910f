"""A model that fails as a test tells it."""

from carteiro.models.interface import BatchLimit
from carteiro.models.prices import PriceTable
from carteiro.models.prompt import Message, Prompt
from carteiro.models.results import Completion, Embeddings
from carteiro.schemas import Usage
from carteiro.worker.model_calls.budget import BudgetLimits, CostBudget, UsageMeter

ASKED = Prompt(messages=[Message("user", "hello")])
FREE = CostBudget(PriceTable({}), BudgetLimits())
DONE = Completion("yes", "stop", Usage())


class FailingModel:
    """Model that raises each of `failures` in turn, then `always` if it is set, and otherwise answers."""

    remote, is_small, context_tokens = True, False, None

    def __init__(self, *failures, always=None, name="test:model"):
        self.name = name
        self.failures, self.always = list(failures), always
        self.prompts = []

    async def load(self): ...
    async def close(self): ...
    def count_tokens(self, text):
        return len(text)

    async def complete(self, prompt):
        self.prompts.append(prompt)
        if self.failures and prompt is ASKED:
            raise self.failures.pop(0)
        if self.always:
            raise self.always
        return DONE

    @property
    def calls(self):
        return self.prompts.count(ASKED)

    @property
    def probes(self):
        return len(self.prompts) - self.calls


class FailingEmbedder(FailingModel):
    """The same as an embedding model. A call of `embed_batch` is a call of ASKED; `embed` is the probe."""

    complete = None

    def __init__(self, *failures, most=256, **more):
        super().__init__(*failures, **more)
        self.batch_limit = BatchLimit(most)
        self.texts = []

    async def embed(self, texts, *, input_type=None, dimensions=None):
        await FailingModel.complete(self, texts)

    async def embed_batch(self, texts, *, input_type=None, dimensions=None):
        self.texts.append(list(texts))
        await FailingModel.complete(self, ASKED)
        return Embeddings([[1.0]] * len(texts), Usage(input_tokens=len(texts)))


def usage_meter(key: bytes | None = None, budget: CostBudget = FREE) -> UsageMeter:
    return UsageMeter(budget, "generate", key)
