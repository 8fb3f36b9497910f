"""Carteiro: LLM work over Kafka. Start with `carteiro.client.Carteiro`."""
