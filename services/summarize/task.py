"""The summarize task: by sentences of the text, or in the words of a model."""

from carteiro.models.interface import ChatModel, EmbeddingModel, SummaryModel
from carteiro.schemas.summarize import SummarizeRequest, SummarizeResult
from carteiro.tasks.task import Task, TaskOutput
from services.summarize.abstractive import summarize_by_generation
from services.summarize.extractive import summarize_by_similarity


async def summarize(
    request: SummarizeRequest, model: EmbeddingModel | SummaryModel | ChatModel
) -> TaskOutput[SummarizeResult]:
    """Summarize a text of any length. Raise `InvalidOutput` if a small model's output is not grounded in the text."""
    if isinstance(model, EmbeddingModel):
        return await summarize_by_similarity(request, model)
    return await summarize_by_generation(request, model)


task = Task(
    request=SummarizeRequest,
    run=summarize,
    abilities=(EmbeddingModel, SummaryModel, ChatModel),
    default_model="local:minilm",
)
