"""The checks of a worker's parts, for its health routes and its state page."""

from collections.abc import Mapping, Sequence
from functools import partial

from carteiro.models.interface import Model, ThrottledModel
from carteiro.worker.composition.context import WorkerContext
from carteiro.worker.composition.served_topic import ServedTopic
from carteiro.worker.observability import metrics
from carteiro.worker.observability.health import HealthChecks

_MIN_REPORTED_SECONDS = 10.0
"""Shortest wait for a provider or a quota that `/readyz` reports."""


class WorkerHealthChecks(HealthChecks):
    """Checks of the models, the budget, the lanes and the topics."""

    def __init__(
        self,
        models: Mapping[str, Model],
        served: Sequence[ServedTopic],
        context: WorkerContext,
    ) -> None:
        self._throttled = {name: model for name, model in models.items() if isinstance(model, ThrottledModel)}
        self._served, self._context = served, context
        for name, model in self._throttled.items():
            metrics.MODEL_HELD_SECONDS.labels(name).set_function(partial(_held_seconds, model))
            metrics.MODEL_QUOTA_WAIT_SECONDS.labels(name).set_function(partial(_quota_wait_seconds, model))

    def pause_reason(self) -> str | None:
        chain_reasons = [chain.pause_reason for each in self._served for chain in each.chains]
        store_reason = self._context.store.pause_reason if self._context.store else None
        return next(filter(None, [self._context.pause_reason, store_reason, *chain_reasons]), None)

    def stalled_partitions(self) -> list[str]:
        return [stalled for each in self._served for stalled in each.subscriber.lanes.stalled]

    def held_models(self) -> list[str]:
        reasons = []
        for name, model in self._throttled.items():
            if (seconds := model.retry_after_seconds) > _MIN_REPORTED_SECONDS:
                reasons.append(f"{name} is not called for {seconds:,.0f} s: its provider has asked for that")
            elif (seconds := model.quota_wait_seconds) > _MIN_REPORTED_SECONDS:
                reasons.append(f"{name}: a call has waited {seconds:,.0f} s for the quota")
        return reasons

    def problem(self) -> str | None:
        lanes = [each.subscriber.lanes.problem for each in self._served]
        return next(filter(None, [*lanes, *(watch.problem for watch in self._context.topic_watches)]), None)


def _held_seconds(model: ThrottledModel) -> float:
    return model.retry_after_seconds


def _quota_wait_seconds(model: ThrottledModel) -> float:
    return model.quota_wait_seconds
