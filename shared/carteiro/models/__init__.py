"""One interface to every model, in a cloud or on this machine. Knows no Kafka."""

from carteiro.extras import needs

needs("carteiro.models", "worker", "openai", "structlog")
