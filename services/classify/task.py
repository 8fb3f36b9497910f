"""The classify task: by the similarity of embeddings, by entailment, by likelihood, or by prompting."""

from collections.abc import Mapping

from carteiro.models.errors import InvalidOutput
from carteiro.models.interface import ChatModel, ClassifierModel, EmbeddingModel, EntailmentModel, RankingModel
from carteiro.schemas import Usage
from carteiro.schemas.classify import ClassifyRequest, ClassifyResult, ScoreType
from carteiro.tasks.calibration import Calibration
from carteiro.tasks.classifier_labels import find_probabilities, select_scores
from carteiro.tasks.task import Task, TaskOutput
from services.classify.scores import margin_scores, select_labels
from services.classify.similarity import LabelVectors, describe, similarity_margins
from services.classify.stated import score_by_prompt

_LIKELIHOOD_PROMPT = "Text: {text}\nThis text is about"
_DECIMALS = 4
_calibration, _label_vectors = Calibration(), LabelVectors()

_Model = EmbeddingModel | EntailmentModel | ClassifierModel | ChatModel


async def classify(request: ClassifyRequest, model: _Model) -> TaskOutput[ClassifyResult]:
    """Return the labels that fit, and the score of each label.

    Raise `InvalidOutput` if a chat model names no label, and `Unsupported` for labels that a classifier does not have.
    """
    scores, score_type, usage = await _score(request, model)
    labels = select_labels(request, scores, score_type)
    if not labels and not (request.multiple or request.allow_none):
        raise InvalidOutput("the model found that no label fits: give more labels, or set allow_none")
    rounded = {name: round(score, _DECIMALS) for name, score in scores.items()}
    result = ClassifyResult(label=next(iter(labels), None), labels=labels, scores=rounded, score_type=score_type)
    return TaskOutput(result, usage)


async def _score(request: ClassifyRequest, model: _Model) -> tuple[Mapping[str, float], ScoreType, Usage]:
    labels = request.descriptions
    if isinstance(model, EmbeddingModel):
        margins, usage = await similarity_margins(model, _label_vectors, request.text, labels)
        return margin_scores(request, margins), "similarity", usage
    if isinstance(model, EntailmentModel):
        judged = await model.entail(request.text, [describe(label) for label in labels])
        return margin_scores(request, judged.log_odds), "entailment", judged.usage
    if isinstance(model, ClassifierModel):
        found = await model.classify(request.text)
        select = find_probabilities if request.multiple or request.allow_none else select_scores
        return select(model.name, found.probabilities, [label.name for label in labels]), "probability", found.usage
    if isinstance(model, RankingModel) and model.is_small:
        meanings = [label.description or label.name for label in labels]
        margins, usage = await _calibration.margins(model, _LIKELIHOOD_PROMPT, request.text, meanings)
        return margin_scores(request, margins), "likelihood", usage
    return await score_by_prompt(request, model)


task = Task(
    request=ClassifyRequest,
    run=classify,
    abilities=(EmbeddingModel, EntailmentModel, ClassifierModel, RankingModel, ChatModel),
    default_model="local:minilm",
)
