"""Abilities by class of model, and the sentence about a model that lacks one."""

from unittest.mock import Mock

import pytest

from carteiro.models.abilities import (
    can_stream,
    is_language_service,
    is_remote_embedder,
    service_tiers,
    unsupported_task_message,
)
from carteiro.models.interface import (
    ChatModel,
    EmbeddingModel,
    LanguageServiceModel,
    Model,
    RemoteEmbeddingModel,
    StreamingModel,
    TieredProviderModel,
)

BOTH = "; a worker cannot have it both to chat and to embed"


def make_model(ability: type[Model], *, remote: bool = True) -> Mock:
    """Return a model of a class of its own, as abilities are known by class."""
    model = type("OwnMock", (Mock,), {})(spec=ability)
    model.name, model.remote = "test:model", remote
    return model


@pytest.mark.parametrize("ability", [ChatModel, StreamingModel, RemoteEmbeddingModel, LanguageServiceModel])
def test_model_has_only_the_abilities_of_its_protocol(ability: type[Model]) -> None:
    model = make_model(ability)
    for _ in range(2):
        found = (can_stream(model), is_remote_embedder(model), is_language_service(model))
        assert found == tuple(ability is each for each in (StreamingModel, RemoteEmbeddingModel, LanguageServiceModel))


def test_model_without_tiers_has_no_tier() -> None:
    tiered = make_model(TieredProviderModel)
    tiered.service_tiers = {"flex"}
    assert (service_tiers(tiered), service_tiers(make_model(ChatModel))) == ({"flex"}, ())


@pytest.mark.parametrize(
    ("ability", "remote", "end"), [(ChatModel, True, BOTH), (ChatModel, False, ""), (LanguageServiceModel, True, "")]
)
def test_message_names_the_model_and_those_that_can_do_the_task(ability: type[Model], remote: bool, end: str) -> None:
    message = unsupported_task_message(make_model(ability, remote=remote), "embed", (EmbeddingModel,))
    assert message.startswith("test:model cannot do the task embed, which needs an embedding model (")
    assert message.endswith(f"){end}")
