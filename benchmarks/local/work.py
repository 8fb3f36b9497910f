"""What every contender is given, and what it gives back."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

_SUBJECTS = "a lighthouse, an old map, the sea in winter, a train, bread, a violin, rain on a roof, a lost key".split(
    ", "
)
_ASKED = (
    "Write one sentence about {}.",
    "Explain in simple words what {} can mean to somebody who has been away from home for a long time.",
    "Tell a short story about {}. It begins in the morning and ends with a question that nobody answers. Be kind.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One prompt and the most tokens of its completion; or, with a limit of 0, a text to classify."""

    text: str
    limit: int


@dataclass(slots=True)
class Outcome:
    """How a contender fared. Times are seconds from the moment at which all was asked."""

    name: str
    answered: list[float] = field(default_factory=list)
    tokens: int = 0
    """Tokens of all completions."""
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """When the last was answered."""
        return max(self.answered)

    def quantile(self, share: float) -> float:
        """By when this share of all was answered."""
        ordered = sorted(self.answered)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def completions(count: int) -> list[Asked]:
    """Prompts of 30 to 90 tokens, each with a limit of 16 to 96: some end long before others."""
    chosen = random.Random(1)
    return [
        Asked(chosen.choice(_ASKED).format(chosen.choice(_SUBJECTS)) + f" ({number})", chosen.choice((16, 32, 64, 96)))
        for number in range(count)
    ]


def texts(count: int) -> list[Asked]:
    """Texts of 10 to 120 words to classify."""
    chosen = random.Random(2)
    words = " ".join(_ASKED).replace("{}", "it").split()
    return [Asked(" ".join(chosen.choices(words, k=chosen.randint(10, 120))), 0) for _ in range(count)]


def of_about_a_length(work: Sequence[Asked], size: int) -> list[list[Asked]]:
    """Batches of a size: what could be done if all were known in advance."""
    ordered = sorted(work, key=lambda asked: (asked.limit, len(asked.text)))
    return [ordered[first : first + size] for first in range(0, len(ordered), size)]
