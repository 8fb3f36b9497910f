"""Parser of raw record batches and their records, including those that Kafka's client cannot read."""
