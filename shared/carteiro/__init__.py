"""Carteiro: language work over Kafka. Start with `carteiro.client.Carteiro`."""
