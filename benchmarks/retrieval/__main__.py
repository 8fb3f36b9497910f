"""Measure searches and answers on the corpus of `tests/quality`, and LlamaIndex's default search next to them.

`python -m benchmarks.retrieval [NAME ...]` takes the names of the models that answer, as CARTEIRO_MODEL does. Only the
held-out questions count: limits are chosen on the others.
"""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.results import Table, argument_parser, parse_arguments, save
from benchmarks.retrieval import llamaindex
from benchmarks.retrieval.searches import KINDS, QuestionVectors, keys, search
from carteiro.models.interface import EmbeddingModel
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.schemas.answer import AnswerRequest, AnswerResult
from carteiro.schemas.collection import Passage
from services.answer.task import answer
from tests.quality import corpus
from tests.quality.corpus import scores
from tests.quality.corpus.indexed import COLLECTION, index_corpus

EMBEDDER = "local:minilm"
NAMES = [EMBEDDER, "local:smollm2"]
_SLOW_QUESTIONS = 60
"""Questions for a model that writes: it takes seconds for each."""
_ABOUT = """\
The held-out questions of `tests/quality/corpus`: documents of an invented town, many of which differ only in a number,
a year or a branch. All searches embed with `local:minilm`, which was trained on English. *Recall@5*: questions whose
document is among the five best passages. LlamaIndex has its defaults besides `similarity_top_k=5`: chunks of 1,024
tokens, vectors only. *Answered*: answerable questions that get an answer from the five best hybrid passages. *Cited*:
with a source that overlaps the words that answer. *Exact*: the expected answer stands word for word in the answer.
*Refused*: questions without an answer that get none. Every quotation was compared with its document."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Recall by search and kind of question, and the scores of each model's answers."""

    recall: dict[str, dict[str, tuple[int, int]]]
    answers: dict[str, scores.AnswerScores]


async def measure(
    names: Sequence[str], documents: Sequence[corpus.Document], asked: Sequence[corpus.Question]
) -> Measured:
    embedder: Any = open_model(EMBEDDER, ModelSettings())
    await embedder.load()
    with tempfile.TemporaryDirectory() as folder:
        store = await index_corpus(Path(folder), embedder, documents)
        vectors = await QuestionVectors.of(asked, embedder)
        passages = {name: await search(store, vectors, asked, kinds) for name, kinds in KINDS.items()}
        await store.close()
    found = {name: keys(each) for name, each in passages.items()}
    found[llamaindex.NAME] = await llamaindex.search(documents, asked, embedder)
    answers = {name: await _answers(name, embedder, documents, asked, passages["hybrid"]) for name in names}
    await embedder.close()
    recall = {
        name: {kind: scores.recall(filter(belongs, asked), each) for kind, belongs in scores.KINDS.items()}
        for name, each in found.items()
    }
    return Measured(recall, answers)


async def _answers(
    name: str,
    embedder: EmbeddingModel,
    documents: Sequence[corpus.Document],
    asked: Sequence[corpus.Question],
    passages: Mapping[str, Sequence[Passage]],
) -> scores.AnswerScores:
    model: Any = embedder if name == EMBEDDER else open_model(name, ModelSettings())
    if model is not embedder:
        await model.load()
        asked = asked[:: max(len(asked) // _SLOW_QUESTIONS, 1)]
    results: dict[str, AnswerResult] = {}
    for each in asked:
        request = AnswerRequest(question=each.question, collection=COLLECTION)
        results[each.id] = (await answer(request.with_passages(tuple(passages[each.id])), model)).result
    if model is not embedder:
        await model.close()
    return scores.score_answers(asked, results, {each.key: each for each in documents})


def recall_table(measured: Measured) -> Table:
    rows = []
    for name, by_kind in measured.recall.items():
        total = sum(found for found, _ in by_kind.values()), sum(asked for _, asked in by_kind.values())
        rows.append([name, *(_share(*each) for each in (*by_kind.values(), total))])
    asked = [each for _, each in next(iter(measured.recall.values())).values()]
    headings = [f"{kind} ({number})" for kind, number in zip(scores.KINDS, asked, strict=True)]
    return Table(["recall@5", *headings, f"all ({sum(asked)})"], rows, "Searches")


def answer_table(measured: Measured) -> Table:
    rows = [
        [
            f"`{name}`",
            str(each.answerable),
            *(_share(number, each.answerable) for number in (each.answered, each.cited, each.exact)),
            str(each.unanswerable),
            _share(each.refused, each.unanswerable),
        ]
        for name, each in measured.answers.items()
    ]
    headings = ["model", "answerable", "answered", "cited", "exact", "without an answer", "refused"]
    return Table(headings, rows, "Answers")


def plot(measured: Measured) -> Figure:
    """Draw the recall of each search, for English and Portuguese."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    axis = figure.subplots()
    names = list(measured.recall)
    for number, kind in enumerate(list(scores.KINDS)[:2]):
        shares = [100 * found / max(asked, 1) for found, asked in (measured.recall[name][kind] for name in names)]
        bars = axis.barh([at + 0.4 * number for at in range(len(names))], shares, 0.38, label=kind)
        axis.bar_label(bars, fmt="{:.0f}", padding=3)
    axis.set_yticks([at + 0.2 for at in range(len(names))], names)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("recall@5, % of the held-out questions")
    axis.legend(loc="lower right")
    return figure


def _share(number: int, of: int) -> str:
    return f"{100 * number / of:.0f} %" if of else "–"


def main() -> None:
    parser = argument_parser("benchmarks.retrieval", __doc__)
    parser.add_argument("names", nargs="*", default=NAMES, metavar="NAME")
    parser.add_argument("--documents", type=int, help="only the first of them, and the questions that they answer")
    options = parse_arguments(parser, documents=20, names=[EMBEDDER])
    documents = corpus.read_documents()[: options.documents]
    known = {each.key for each in documents}
    asked = [each for each in corpus.read_questions() if each.part == "held_out"]
    asked = [each for each in asked if each.document is None or each.document in known]
    measured = asyncio.run(measure(options.names, documents, asked))
    tables = [recall_table(measured), answer_table(measured)]
    save(options, "retrieval", "Answers from a collection", _ABOUT, tables, plot(measured))


if __name__ == "__main__":
    main()
