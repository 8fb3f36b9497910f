"""Texts and results outside Kafka: in buckets, at HTTPS addresses, and in files.

Requests name a text by its address (the claim check pattern), and replies the result that is too large for their topic.
"""
