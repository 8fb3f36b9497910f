"""The client: what a producer of requests uses. Needs aiokafka and pydantic alone."""

from carteiro.client.client import Carteiro
from carteiro.client.errors import CarteiroError, KafkaUnavailable, ReplyError, ReplyTimeout
from carteiro.client.sync import SyncCarteiro

__all__ = ["Carteiro", "CarteiroError", "KafkaUnavailable", "ReplyError", "ReplyTimeout", "SyncCarteiro"]
