"""The life of a request inside a worker: intake, the task, the reply; and the worker around it."""

from carteiro.extras import needs

needs("carteiro.worker", "worker", "faststream", "structlog")
