"""What the worker uses of FastStream and aiokafka beyond their public interfaces.

A new version of either may change these without a word. Then one of these tests fails and says what to look at.
"""

import inspect
from importlib.metadata import version

import aiokafka
import pytest
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.mixins import TasksMixin
from faststream._internal.endpoint.subscriber.usecase import SubscriberUsecase
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.config import KafkaSubscriberConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import DefaultSubscriber, LogicSubscriber

FASTSTREAM = f"FastStream {version('faststream')}"
AIOKAFKA = f"aiokafka {version('aiokafka')}"


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("owner", "name", "expected", "used"),
    [
        (LogicSubscriber, "_run_consume_loop", ["self", "consumer"], "WindowSubscriber has one of its own"),
        (SubscriberUsecase, "process_message", ["self", "msg"], "WindowSubscriber.serve awaits it for each record"),
        (SubscriberUsecase, "_post_start", ["self"], "WindowSubscriber.start calls it once the consumer runs"),
        (SubscriberUsecase, "start", ["self"], "WindowSubscriber.start skips LogicSubscriber's and calls this one"),
        (DefaultSubscriber, "__init__", ["self", "config", "specification", "calls"], "subscribe() makes one"),
        (Registrator, "subscriber", ["self", "subscriber", "persistent"], "subscribe() registers with it"),
        (
            TasksMixin,
            "add_task",
            ["self", "func", "func_args", "func_kwargs", "restart_on_failure"],
            "WindowSubscriber.start runs its loops with it",
        ),
    ],
)
def test_faststream_has_what_we_use(owner, name, expected, used):
    found = getattr(owner, name, None)
    assert found is not None, f"{FASTSTREAM} has no {owner.__name__}.{name} any more: {used}"
    assert parameters(found) == expected, f"{FASTSTREAM}: {owner.__name__}.{name} takes {parameters(found)} now: {used}"


def test_faststream_makes_a_subscriber_from_what_we_give_it():
    for kind, names in (
        (KafkaSubscriberConfig, ["topics", "group_id", "connection_args", "no_reply", "_outer_config", "_ack_policy"]),
        (KafkaSubscriberSpecification, ["_outer_config", "calls", "specification_config"]),
    ):
        missing = set(names) - set(parameters(kind))
        assert not missing, f"{FASTSTREAM}: {kind.__name__} does not take {missing} any more, which subscribe() gives"


def test_faststream_builds_consumers_as_we_do():
    source = inspect.getsource(LogicSubscriber.start)
    for piece in ("self.builder(", "**self._connection_args", "self.parser._setup(consumer)", "self._post_start()"):
        assert piece in source, f"{FASTSTREAM}: LogicSubscriber.start, which ours follows, has no {piece!r} any more"


def test_faststream_returns_what_the_handler_did():
    source = inspect.getsource(SubscriberUsecase.process_message)
    assert "return result_msg" in source, f"{FASTSTREAM}: process_message does not return what handlers do any more"
    assert KafkaBroker("localhost:9092").config.broker_middlewares is not None


@pytest.mark.parametrize(
    ("name", "expected", "used"),
    [
        ("fetch_committed_offsets", ["self", "partitions"], "group.committed reads offsets with their metadata"),
        ("_do_heartbeat", ["self"], "group.is_member asks the group who is right"),
        ("reset_generation", ["self"], "group.was_expelled looks for what it leaves behind"),
        ("_send_req", ["self", "request"], "stable_offsets.fetch_stable sends a request of ours with it"),
        ("ensure_coordinator_known", ["self"], "group.committed waits for it"),
        ("coordinator_dead", ["self"], "group.committed has another coordinator looked for"),
    ],
)
def test_aiokafka_has_what_we_use(name, expected, used):
    found = getattr(GroupCoordinator, name, None)
    assert found is not None, f"{AIOKAFKA} has no GroupCoordinator.{name} any more: {used}"
    assert parameters(found) == expected, f"{AIOKAFKA}: GroupCoordinator.{name} takes {parameters(found)} now: {used}"


async def test_an_expelled_consumer_has_no_generation():
    consumer = aiokafka.AIOKafkaConsumer(group_id="g")
    assert hasattr(consumer, "_coordinator"), f"{AIOKAFKA}: a consumer has no _coordinator any more: group.py asks it"
    coordinator = GroupCoordinator.__new__(GroupCoordinator)
    coordinator._rejoin_needed_fut = consumer._loop.create_future() if hasattr(consumer, "_loop") else None
    coordinator.request_rejoin = lambda: None
    coordinator.reset_generation()
    assert coordinator.generation < 0, f"{AIOKAFKA}: reset_generation leaves {coordinator.generation}, not a negative"


@pytest.mark.parametrize(
    ("owner", "name", "used"),
    [
        (GroupCoordinator, "_coordination_task", "group.died looks whether it has ended"),
        (Fetcher, "_fetch_task", "group.died looks whether it has ended"),
        (aiokafka.AIOKafkaConsumer, "_fetcher", "group.died finds the fetcher by it"),
        (aiokafka.AIOKafkaProducer, "_sender", "stop_producer closes it where the producer's stop was cut short"),
    ],
)
def test_aiokafka_keeps_what_we_look_at(owner, name, used):
    assert f"self.{name} = " in inspect.getsource(owner), f"{AIOKAFKA}: no {owner.__name__}.{name} any more: {used}"


def test_a_paused_partition_drops_what_was_fetched_and_fetches_it_again():
    source = inspect.getsource(FetchResult.check_assignment)
    assert "tp_state.paused" in source, f"{AIOKAFKA}: how fetched records of a paused partition are treated has changed"
