"""How a request or a reply becomes a Kafka record: topics, headers, correlation, CloudEvents. Knows no client."""
