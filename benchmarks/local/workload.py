"""The work of every contender, and its results."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

_SUBJECTS = "a lighthouse, an old map, the sea in winter, a train, bread, a violin, rain on a roof, a lost key".split(
    ", "
)
_PROMPTS = (
    "Write one sentence about {}.",
    "Explain in simple words what {} can mean to somebody who has been away from home for a long time.",
    "Tell a short story about {}. It begins in the morning and ends with a question that nobody answers. Be kind.",
)


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A prompt with the largest number of tokens of its completion, or a text to classify, with a limit of 0."""

    text: str
    max_tokens: int


@dataclass(slots=True)
class ContenderResult:
    """Results of a contender. Times are seconds from the moment at which all work was sent."""

    name: str
    answered_at: list[float] = field(default_factory=list)
    tokens: int = 0
    """Tokens of all completions."""
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Return the time of the last answer in seconds."""
        return max(self.answered_at)

    def quantile(self, share: float) -> float:
        """Return the quantile `share` of the answer times in seconds."""
        ordered = sorted(self.answered_at)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def completions(count: int) -> list[WorkItem]:
    """Return prompts of 30 to 90 tokens, each with a limit of 16 to 96. Some end long before others."""
    chosen = random.Random(1)
    return [
        WorkItem(
            chosen.choice(_PROMPTS).format(chosen.choice(_SUBJECTS)) + f" ({number})", chosen.choice((16, 32, 64, 96))
        )
        for number in range(count)
    ]


def texts(count: int) -> list[WorkItem]:
    """Return texts of 10 to 120 words to classify."""
    chosen = random.Random(2)
    words = " ".join(_PROMPTS).replace("{}", "it").split()
    return [WorkItem(" ".join(chosen.choices(words, k=chosen.randint(10, 120))), 0) for _ in range(count)]


def length_sorted_batches(work: Sequence[WorkItem], size: int) -> list[list[WorkItem]]:
    """Return batches of a size: the best possible ones if all work is known in advance."""
    ordered = sorted(work, key=lambda item: (item.max_tokens, len(item.text)))
    return [ordered[first : first + size] for first in range(0, len(ordered), size)]
