"""Reaching Kafka: connection, security, topics."""
