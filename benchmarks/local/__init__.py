"""How much of a local model's speed is left from Kafka to Kafka."""
