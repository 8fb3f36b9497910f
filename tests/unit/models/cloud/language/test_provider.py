"""Language services opened from the settings."""

import pytest

from carteiro.models.abilities import is_language_service
from carteiro.models.errors import ModelUnusable
from carteiro.models.interface import (
    ChatModel,
    ClassifierModel,
    EmbeddingModel,
    QuestionAnsweringModel,
    SummaryModel,
    TonedTranslationModel,
    TranslationModel,
)
from carteiro.models.registry import find_provider, open_model
from carteiro.models.settings import ModelSettings
from carteiro.tasks.discovery import find_tasks
from tests.unit.models.cloud.language.conftest import OpenService

ABILITIES = {
    "azure-language": (ClassifierModel, SummaryModel, QuestionAnsweringModel),
    "azure-translator": (TranslationModel, TonedTranslationModel),
    "google-language": (ClassifierModel,),
    "google-translate": (TranslationModel,),
}


@pytest.mark.parametrize("scheme", ABILITIES)
async def test_services_have_the_abilities_of_their_tasks_and_no_other(scheme: str, open_service: OpenService) -> None:
    model = open_service(f"{scheme}:")
    assert is_language_service(model)
    assert isinstance(model, ABILITIES[scheme])
    others = {each for abilities in ABILITIES.values() for each in abilities} - {*ABILITIES[scheme]}
    assert not any(isinstance(model, each) for each in (*others, ChatModel, EmbeddingModel))
    assert model.retry_after_seconds == 0
    provider = find_provider(f"{scheme}:")
    assert provider is not None
    tasks = [task.name for task in find_tasks() if isinstance(model, task.abilities)]
    assert sorted(provider.tasks) == sorted(tasks)
    with pytest.raises(ModelUnusable, match="is no model"):
        open_model(scheme, ModelSettings())


async def test_calls_a_minute_are_bounded_and_tokens_are_not(open_service: OpenService) -> None:
    model = open_service("azure-translator:", CARTEIRO_REQUESTS_PER_MINUTE="60", CARTEIRO_TOKENS_PER_MINUTE="1")
    for _ in range(2):
        await model.translate("Hello", "en", "pt")
    assert model._quota._controller.in_flight == 0
