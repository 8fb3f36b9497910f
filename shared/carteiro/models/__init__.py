"""One interface to every model, in a cloud or on this machine. It does not depend on Kafka."""

from carteiro.extras import needs

needs("carteiro.models", "worker", "openai", "structlog")
