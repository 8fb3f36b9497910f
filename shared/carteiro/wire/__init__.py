"""Conversion of requests and replies to and from Kafka records: topics, headers, correlation, CloudEvents.

It depends on no Kafka client.
"""
