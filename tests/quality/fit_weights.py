"""Fit the weights of `carteiro.text.answers` to the texts in `tuned/`: python -m tests.quality.fit_weights

A second set of questions, without an answer, is the first set with the answering sentences removed. It prints the
weights, and their results on each text when they are fitted to all others.
"""

import asyncio
from dataclasses import dataclass, replace

import numpy as np

from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas.collection import Passage
from carteiro.text.answers import _MIN_PROBABILITY, Candidate, answer_features, probability
from carteiro.text.questions import parse_question
from services.answer.candidates import CandidateAnswers, PassageParts, find_candidates
from tests.quality.texts import Fact, read_facts

_RIDGE = 20.0
_STEPS = 800
_RATE = 0.3


@dataclass(frozen=True)
class TrainingExample:
    name: str
    answerable: bool
    features: list[dict[str, float]]
    labels: list[bool]


def training_example(fact: Fact, reading: CandidateAnswers, *, without_answer: bool = False) -> TrainingExample:
    question = parse_question(fact.question)
    right = [
        any(each.lower() in candidate.part.text.lower() for each in fact.accepted_answers)
        for candidate in reading.candidates
    ]
    kept = [each for each, answers in zip(reading.candidates, right, strict=True) if not (without_answer and answers)]
    if without_answer:
        kept = [replace(each, margin=margin(each, kept)) for each in kept]
        right = [False] * len(kept)
    found = [answer_features(question, each, reading.text_words, reading.similarity) for each in kept]
    pairs = [(each, answers) for each, answers in zip(found, right, strict=True) if each]
    answerable = bool(fact.accepted_answers) and not without_answer
    return TrainingExample(fact.name, answerable, [each for each, _ in pairs], [answers for _, answers in pairs])


def margin(candidate: Candidate, others: list[Candidate]) -> float:
    rest = [each.similarity for each in others if each is not candidate]
    return candidate.similarity - max(rest, default=0.0)


def fit(rows: list[TrainingExample]) -> dict[str, float]:
    """Return the weights of a logistic regression with a ridge, by gradient descent on standardised features."""
    found = [(each, answers) for row in rows for each, answers in zip(row.features, row.labels, strict=True)]
    names = list(found[0][0])
    x = np.array([[each[name] for name in names] for each, _ in found])
    y = np.array([float(answers) for _, answers in found])
    mean, spread = x.mean(0), x.std(0)
    mean[0], spread[spread < 1e-6] = 0.0, 1.0
    z = (x - mean) / spread
    weights = np.zeros(len(names))
    ridge = np.full(len(names), _RIDGE)
    ridge[0] = 0.0
    for _ in range(_STEPS):
        error = 1 / (1 + np.exp(-z @ weights)) - y
        weights -= _RATE * (z.T @ error + ridge * weights) / len(y)
    plain = weights / spread
    plain[0] -= (plain[1:] * mean[1:]).sum()
    return dict(zip(names, np.round(plain, 2).tolist(), strict=True))


def judge(rows: list[TrainingExample], weights: dict[str, float]) -> np.ndarray:
    """Count the answerable questions and the right answers, the others and the refused ones, and the wrong answers."""
    counts = np.zeros(5, int)
    for each in rows:
        rated = [probability(found, weights) for found in each.features]
        best = int(np.argmax(rated)) if rated else 0
        taken = bool(rated) and rated[best] >= _MIN_PROBABILITY
        right = taken and each.labels[best]
        counts += [each.answerable, right, not each.answerable, not each.answerable and not taken, taken and not right]
    return counts


async def main() -> None:
    model = open_model("local:minilm", ModelSettings())
    await model.load()
    tuned = read_facts("tuned")
    readings = await asyncio.gather(
        *(
            find_candidates(model, parse_question(fact.question), PassageParts.of([Passage(key="", text=fact.text)]))
            for fact in tuned
        )
    )
    await model.close()
    rows = [training_example(fact, reading) for fact, reading in zip(tuned, readings, strict=True)]
    hard = [
        training_example(f, r, without_answer=True) for f, r in zip(tuned, readings, strict=True) if f.accepted_answers
    ]
    names = sorted({each.name for each in rows})
    counts = hard_counts = np.zeros(5, int)
    for name in names:
        weights = fit([each for each in rows + hard if each.name != name])
        counts = counts + judge([each for each in rows if each.name == name], weights)
        hard_counts = hard_counts + judge([each for each in hard if each.name == name], weights)
    print("answerable, right, unanswerable, refused, wrong:", counts, "without the answer:", hard_counts)
    print(fit(rows + hard))


if __name__ == "__main__":
    asyncio.run(main())
