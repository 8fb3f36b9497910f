"""One interface to every model, in a cloud or on this machine. Knows no Kafka."""
