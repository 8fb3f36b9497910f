"""Client for producers of requests. It needs only aiokafka and pydantic."""

from carteiro.client.client import Carteiro
from carteiro.client.errors import (
    BucketUnavailable,
    CarteiroError,
    KafkaUnavailable,
    ReplyError,
    ReplyTimeout,
    RequestInvalid,
    TopicMissing,
)
from carteiro.client.sync import SyncCarteiro

__all__ = [
    "BucketUnavailable",
    "Carteiro",
    "CarteiroError",
    "KafkaUnavailable",
    "ReplyError",
    "ReplyTimeout",
    "RequestInvalid",
    "SyncCarteiro",
    "TopicMissing",
]
