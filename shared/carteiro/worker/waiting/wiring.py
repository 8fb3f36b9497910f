"""How the parts that serve waiting requests are put together: a task's own, with an office for its prompts."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from faststream.kafka import KafkaBroker

from carteiro.models.cloud.batches.interface import BatchModel
from carteiro.wire.record import Record
from carteiro.wire.waiting import dropped
from carteiro.worker.asking.chain import Chain
from carteiro.worker.delivery.lanes import Lanes
from carteiro.worker.delivery.outcome import Outcome
from carteiro.worker.delivery.service import Service
from carteiro.worker.delivery.subscriber import WindowSubscriber, subscribe
from carteiro.worker.kafka.compacted_topic import CompactedTopic
from carteiro.worker.observing import metrics
from carteiro.worker.replying import Reply
from carteiro.worker.serving import Server
from carteiro.worker.task import Task
from carteiro.worker.waiting.desk import Desk
from carteiro.worker.waiting.gathering import Rules
from carteiro.worker.waiting.handing_over import HandedOver
from carteiro.worker.waiting.model import WaitingModel
from carteiro.worker.wiring import Shared, consumer_options, server_of

_AT_ONCE = 20
"""Replies that a batch brings and that are delivered together: live replies stand behind them."""


def wire_waiting(
    broker: KafkaBroker, task: Task[Any, Any], chain: Chain, shared: Shared, joined: Callable[[], None]
) -> WindowSubscriber:
    """Have what a task's service has set aside served by batches. `joined` is called with each assignment."""
    settings, waiting = shared.settings, shared.settings.topics.waiting(task.name)
    metrics.begin(task.name, waiting)
    desk = _desk(task, chain, shared)
    server = _server(task, chain, shared)

    async def handle(record: Record) -> Reply | HandedOver:
        return await server.serve(desk.take(record))

    async def lost(record: Record) -> Reply:
        return await server.lost(dropped(record))

    options = shared.options | consumer_options(settings, f"{task.name}-waiting")
    subscriber = subscribe(broker, waiting, server.group, handle, lost, options)

    async def serve_waiting(record: Record) -> Outcome:
        try:
            desk.waits(record)
            return await subscriber.serve(record)
        finally:
            desk.done(record)

    service = Service(
        group=server.group,
        window=settings.batch_requests,
        by_key=False,
        serve=serve_waiting,
        condemn=lambda record, deaths: server.condemn(dropped(record), deaths),
        courier=lambda lane: desk.deliver_by(shared.courier(lane, subscriber), lane),
        may_begin=lambda: shared.spending.parked is None,
        quarantine=shared.quarantine,
        prepare=desk.prepare,
        forget=desk.forget,
        at_once=_AT_ONCE,
        most_open=2 * settings.batch_requests,
        kept=desk.kept,
        resumes=True,
    )
    subscriber.lanes = Lanes(service, waiting, settings.grace_seconds, joined, shared.reachable)
    return subscriber


def _desk(task: Task[Any, Any], chain: Chain, shared: Shared) -> Desk:
    settings, topics = shared.settings, shared.settings.topics
    model = chain.links[0].model
    assert isinstance(model, BatchModel)
    rules = Rules(
        margin=settings.batch_margin_seconds,
        gather=settings.batch_gather_seconds,
        poll=settings.batch_poll_seconds,
        most=settings.batch_requests,
    )
    topic = CompactedTopic(
        topics.batches(task.name),
        topics.waiting(task.name),
        shared.options,
        lambda: shared.addresses.producer,
        loses="forgets which batches are paid for",
    )
    return Desk(task.name, topic, {model.name: model}, rules)


def _server(task: Task[Any, Any], chain: Chain, shared: Shared) -> Server:
    """The task's own, in a group of its own, whose first model completes prompts by batches."""
    # What is late for a batch is asked of the next model; of the same one where there is no other.
    waits = partial(WaitingModel, alone=len(chain.links) == 1)
    server = server_of(task, Chain([replace(chain.links[0], waits=waits), *chain.links[1:]]), shared)
    return replace(server, group=f"{server.group}-waiting", answerer=replace(server.answerer, aside=None))
