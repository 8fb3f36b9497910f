import pytest
from pydantic import ValidationError

from carteiro.settings.kafka import KafkaSettings


@pytest.mark.parametrize("servers", ["localhost:9092", "a:1,b:65535", "a:1, b:2", "[::1]:9092"])
def test_servers_are_hosts_and_ports(servers: str) -> None:
    assert KafkaSettings(bootstrap_servers=servers).bootstrap_servers == servers


@pytest.mark.parametrize(
    "servers", ["", "localhost", "localhost:", ":9092", "a:0", "a:65536", "a:1,", "http://a:1", "::1:9092"]
)
def test_other_servers_are_rejected(servers: str) -> None:
    with pytest.raises(ValidationError, match="is not host:port"):
        KafkaSettings(bootstrap_servers=servers)


def test_prefix_begins_all_topics_and_is_checked() -> None:
    assert KafkaSettings(topic_prefix="acme").topics.requests("chat") == "acme.chat.requests"
    with pytest.raises(ValidationError, match="is not the beginning of a topic's name"):
        KafkaSettings(topic_prefix="acme/eu")


def test_unknown_compression_is_rejected_with_the_known_ones() -> None:
    assert KafkaSettings(compression="zstd").compression == "zstd"
    with pytest.raises(ValidationError, match="'none', 'lz4', 'zstd', 'snappy' or 'gzip'"):
        KafkaSettings(compression="brotli")  # type: ignore[arg-type]
