"""The internals of FastStream and aiokafka that the worker relies on.

A new version of either may change them without notice. Then one of these tests fails and says what to check.
"""

import inspect
from importlib.metadata import version

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.conn import AIOKafkaConnection
from aiokafka.consumer import fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchResult
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import for_code
from aiokafka.producer.message_accumulator import MessageAccumulator, MessageBatch
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.record.memory_records import MemoryRecords
from faststream._internal.application import StartAbleApplication
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.mixins import TasksMixin
from faststream._internal.endpoint.subscriber.usecase import SubscriberUsecase
from faststream.kafka import KafkaBroker
from faststream.kafka.subscriber.config import KafkaSubscriberConfig
from faststream.kafka.subscriber.specification import KafkaSubscriberSpecification
from faststream.kafka.subscriber.usecase import DefaultSubscriber, LogicSubscriber

from carteiro.kafka.record_errors import InvalidRecordError
from carteiro.wire.record_batches import raw_batches
from carteiro.wire.record_batches.raw_batches import RawPartitionRecords, raw_batch_marker

FASTSTREAM = f"FastStream {version('faststream')}"
AIOKAFKA = f"aiokafka {version('aiokafka')}"


def parameters(function):
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize(
    ("owner", "name", "expected", "used"),
    [
        (StartAbleApplication, "_start_broker", ["self"], "Worker starts in phases by it"),
        (LogicSubscriber, "_run_consume_loop", ["self", "consumer"], "LaneSubscriber has one of its own"),
        (SubscriberUsecase, "process_message", ["self", "msg"], "LaneSubscriber.dispatch awaits it for each record"),
        (SubscriberUsecase, "_post_start", ["self"], "LaneSubscriber.start calls it once the consumer runs"),
        (SubscriberUsecase, "start", ["self"], "LaneSubscriber.start skips LogicSubscriber's and calls this one"),
        (DefaultSubscriber, "__init__", ["self", "config", "specification", "calls"], "subscribe() makes one"),
        (Registrator, "subscriber", ["self", "subscriber", "persistent"], "subscribe() registers with it"),
        (
            TasksMixin,
            "add_task",
            ["self", "func", "func_args", "func_kwargs", "restart_on_failure"],
            "LaneSubscriber.start runs its loops with it",
        ),
    ],
)
def test_faststream_has_the_internals_we_use(owner, name, expected, used):
    found = getattr(owner, name, None)
    assert found is not None, f"{FASTSTREAM} has no {owner.__name__}.{name} any more: {used}"
    assert parameters(found) == expected, f"{FASTSTREAM}: {owner.__name__}.{name} takes {parameters(found)} now: {used}"


def test_faststream_accepts_our_subscriber_options():
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


def test_faststream_returns_the_handlers_result():
    source = inspect.getsource(SubscriberUsecase.process_message)
    assert "return result_msg" in source, f"{FASTSTREAM}: process_message does not return what handlers do any more"
    assert KafkaBroker("localhost:9092").config.broker_middlewares is not None


@pytest.mark.parametrize(
    ("name", "expected", "used"),
    [
        ("fetch_committed_offsets", ["self", "partitions"], "group.fetch_committed reads offsets with their metadata"),
        ("_do_heartbeat", ["self"], "group.is_member asks the group who is right"),
        ("reset_generation", ["self"], "group.was_expelled looks for what it leaves behind"),
        ("_send_req", ["self", "request"], "stable_offsets.fetch_stable_offset sends a request of ours with it"),
        ("ensure_coordinator_known", ["self"], "group.fetch_committed and find_duplicate_member_host wait for it"),
        ("coordinator_dead", ["self"], "group.fetch_committed has another coordinator looked for"),
    ],
)
def test_aiokafka_has_the_internals_we_use(name, expected, used):
    found = getattr(GroupCoordinator, name, None)
    assert found is not None, f"{AIOKAFKA} has no GroupCoordinator.{name} any more: {used}"
    assert parameters(found) == expected, f"{AIOKAFKA}: GroupCoordinator.{name} takes {parameters(found)} now: {used}"


async def test_expelled_consumer_has_no_generation():
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
        (GroupCoordinator, "_coordination_task", "group.ended_background_task looks whether it has ended"),
        (Fetcher, "_fetch_task", "group.ended_background_task looks whether it has ended"),
        (aiokafka.AIOKafkaConsumer, "_fetcher", "group.ended_background_task finds the fetcher by it"),
        (aiokafka.AIOKafkaProducer, "_sender", "stop_producer closes it where the producer's stop was cut short"),
    ],
)
def test_aiokafka_has_the_attributes_we_read(owner, name, used):
    assert f"self.{name} = " in inspect.getsource(owner), f"{AIOKAFKA}: no {owner.__name__}.{name} any more: {used}"


@pytest.mark.parametrize(
    ("owner", "name", "expected", "used"),
    [
        (MessageAccumulator, "drain_by_nodes", ["self", "ignore_nodes", "muted_partitions"], "it bounds requests"),
        (MessageAccumulator, "_append_batch", ["self", "builder", "tp"], "it bounds the batches of a topic"),
        (MessageAccumulator, "_pop_batch", ["self", "tp"], "batches for a topic that is gone are failed with it"),
        (
            TransactionManager,
            "increment_sequence_number",
            ["self", "tp", "increment"],
            "a refused batch gives back",
        ),
        (TransactionManager, "maybe_add_partition_to_txn", ["self", "tp"], "it marks a transaction's end there"),
        (TransactionManager, "add_offsets_to_txn", ["self", "offsets", "group_id"], "it marks a transaction's end"),
        (Sender, "_do_txn_offset_commit", ["self", "offsets", "group_id"], "it adds a group without offsets"),
        (AIOKafkaClient, "coordinator_lookup", ["self", "coordinator_type", "coordinator_key"], "of a transaction"),
        (AIOKafkaClient, "_metadata_update", ["self", "cluster_metadata", "topics"], "it creates no caller's topic"),
        (AIOKafkaClient, "add_topic", ["self", "topic"], "CallerTopicClient.find keeps a topic in its metadata"),
        (MetadataRequest, "__init__", ["self", "topics", "allow_auto_topic_creation"], "it creates no caller's topic"),
    ],
)
def test_aiokafka_producer_has_the_methods_that_the_bounded_producer_overrides(owner, name, expected, used):
    found = getattr(owner, name, None)
    assert found is not None, f"{AIOKAFKA} has no {owner.__name__}.{name} any more: {used}"
    assert parameters(found) == expected, f"{AIOKAFKA}: {owner.__name__}.{name} takes {parameters(found)} now: {used}"


@pytest.mark.parametrize(
    ("owner", "piece", "used"),
    [
        (aiokafka.AIOKafkaProducer, "self._message_accumulator = MessageAccumulator(", "a bounded one takes its place"),
        (aiokafka.AIOKafkaProducer, "self.client = AIOKafkaClient(", "CallerTopicClient takes its place"),
        (MessageAccumulator, "self._batches = collections.defaultdict(collections.deque)", "it is looked through"),
        (MessageAccumulator, "self._pending_batches = set()", "stop_producer ends those who wait for them"),
        (MessageAccumulator, "self._batch_size = batch_size", "batches of some topics are smaller"),
        (MessageBatch, "self._builder = builder", "its size counts"),
        (TransactionManager, "self._pending_txn_offsets.append((group_id, offsets, fut))", "a group is added there"),
        (AIOKafkaClient, "self._topics = set()", "CallerTopicClient forgets topics"),
        (Sender, "self._message_accumulator.drain_by_nodes(", "it sends what a bounded accumulator hands out"),
    ],
)
def test_aiokafka_producer_is_built_as_the_bounded_producer_expects(owner, piece, used):
    assert piece in inspect.getsource(owner), f"{AIOKAFKA}: {owner.__name__} has no {piece!r} any more: {used}"


def test_aiokafka_reports_invalid_records():
    assert for_code(87) is InvalidRecordError, f"{AIOKAFKA}: error 87 is {for_code(87)} now: outcome.py has its own"


@pytest.mark.parametrize(
    ("owner", "name", "used"),
    [
        (aiokafka.AIOKafkaConsumer, "_client", "topic_state sends requests of ours with it"),
        (aiokafka.AIOKafkaConsumer, "_group_instance_id", "group.instance_id reads it"),
        (GroupCoordinator, "member_id", "group.member_id reads it"),
        (GroupCoordinator, "_heartbeat_interval_ms", "group.seconds_to_notice_fencing reads it"),
        (AIOKafkaClient, "_conns", "topic_state.fetch_log_bounds looks for what brokers can do"),
        (AIOKafkaConnection, "_versions", "topic_state.fetch_log_bounds looks for what brokers can do"),
    ],
)
def test_aiokafka_has_the_attributes_that_topic_state_and_group_read(owner, name, used):
    assert f"self.{name} = " in inspect.getsource(owner), f"{AIOKAFKA}: no {owner.__name__}.{name} any more: {used}"


def test_offset_out_of_range_is_raised_with_its_partitions():
    source = inspect.getsource(Fetcher._proc_fetch_request)
    assert "OffsetOutOfRangeError({tp: fetch_offset})" in source, (
        f"{AIOKAFKA}: Lanes.on_offsets_out_of_range is given other things"
    )


def test_paused_partition_drops_its_fetched_records_and_fetches_them_again():
    source = inspect.getsource(FetchResult.check_assignment)
    assert "tp_state.paused" in source, f"{AIOKAFKA}: how fetched records of a paused partition are treated has changed"


def test_fetched_records_are_built_as_raw_batches_expects():
    source = inspect.getsource(Fetcher._proc_fetch_request)
    for piece in ("records = MemoryRecords(part_data[-1])", "partition_records = PartitionRecords("):
        assert piece in source, (
            f"{AIOKAFKA}: Fetcher._proc_fetch_request has no {piece!r} any more: raw_batches steps in"
        )
    expected = ["tp", "records", "aborted_transactions", "fetch_offset", "key_deserializer", "value_deserializer"]
    expected += ["check_crcs", "isolation_level"]
    found = parameters(raw_batches._PartitionRecords.__init__)
    assert found == ["self", *expected], f"{AIOKAFKA}: PartitionRecords takes {found} now: raw_batches takes its place"
    assert issubclass(fetcher.MemoryRecords, MemoryRecords)


def test_fetched_records_are_unpacked_by_the_method_we_override():
    overridden = raw_batches._PartitionRecords
    for name in ("_unpack_records", "_consume_aborted_up_to"):
        assert hasattr(overridden, name), f"{AIOKAFKA}: PartitionRecords has no {name} any more: raw_batches needs it"
    source = inspect.getsource(overridden)
    for name in (
        "_aborted_producers = set()",
        "next_fetch_offset = fetch_offset",
        "_isolation_level = isolation_level",
    ):
        assert f"self.{name}" in source, (
            f"{AIOKAFKA}: PartitionRecords has no self.{name} any more: raw_batches uses it"
        )


@pytest.mark.parametrize(
    ("mark", "kind"), [(raw_batch_marker, RawPartitionRecords), (None, raw_batches._PartitionRecords)]
)
def test_only_consumers_that_request_raw_batches_get_them(mark, kind):
    records = fetcher.MemoryRecords(b"")
    made = fetcher.PartitionRecords(None, records, None, 0, None, mark, True, fetcher.READ_COMMITTED)
    assert type(made) is kind
