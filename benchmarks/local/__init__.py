"""The share of a local model's speed that is left from Kafka to Kafka."""
