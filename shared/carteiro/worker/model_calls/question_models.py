"""The embedding models of collections, which embed the questions of requests."""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from carteiro.concurrency.single_flight import SingleFlight
from carteiro.models.abilities import is_remote_embedder
from carteiro.models.errors import Misconfigured, ModelUnusable
from carteiro.models.interface import EmbeddingModel, Model
from carteiro.models.long_text_embedding import embed_long_texts
from carteiro.models.registry import open_model
from carteiro.models.settings import ModelSettings
from carteiro.retrieval.collection import EmbeddingSettings
from carteiro.worker.model_calls.budget import UsageMeter
from carteiro.worker.model_calls.circuit_breaker import CircuitBreaker
from carteiro.worker.model_calls.retry import RetryingCalls, retrying


class QuestionModels:
    """Embedding models by their names, which collections give. A model is loaded at the first question to it.

    `loaded` are models of the worker, which are used and not loaded again. `on_change` is called when the circuit of a
    remote model opens or closes.
    """

    def __init__(
        self, settings: ModelSettings, loaded: Iterable[Model] = (), on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._settings, self._on_change = settings, on_change
        self._models = {model.name: model for model in loaded if isinstance(model, EmbeddingModel)}
        self._own: list[Model] = []
        self._breakers: dict[str, CircuitBreaker] = {}
        self._loads: SingleFlight[EmbeddingModel] = SingleFlight()

    async def embed(self, embedding: EmbeddingSettings, text: str, meter: UsageMeter) -> Sequence[float]:
        """Return the vector of a question by the model of a collection. `meter` counts the usage.

        Raise the errors of `carteiro.models.errors`; `Misconfigured` if the model cannot be used.
        """
        model, _ = await self._loads.run(embedding.model.encode(), lambda: self._load(embedding.model))
        if is_remote_embedder(model):
            breaker = self._breakers.setdefault(model.name, CircuitBreaker(model, self._on_change))
            embedder: EmbeddingModel = retrying(model, RetryingCalls(breaker, meter))
        else:
            embedder = model
        embedded = await embed_long_texts(embedder, [text], input_type="query", dimensions=embedding.dimensions)
        if embedder is model:
            meter.record(model.name, embedded.usage)
        return embedded.vectors[0]

    async def close(self) -> None:
        """Close the models that were loaded here."""
        for breaker in self._breakers.values():
            await breaker.stop_probing()
        for model in self._own:
            await model.close()

    async def _load(self, name: str) -> EmbeddingModel:
        if name in self._models:
            return self._models[name]
        try:
            # In a thread: the library of local models takes seconds to import.
            model = await asyncio.to_thread(open_model, name, self._settings, (EmbeddingModel,))
            await model.load()
        except ModelUnusable as error:
            raise Misconfigured(f"the collection's embedding model cannot be used: {error}") from None
        if not isinstance(model, EmbeddingModel):
            await model.close()
            raise Misconfigured(f"the collection's model {name} does not embed texts")
        self._own.append(model)
        self._models[name] = model
        return model
