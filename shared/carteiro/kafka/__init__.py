"""Access to Kafka: connection, security, topics, producers, and what a broker allows."""
