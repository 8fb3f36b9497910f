"""`faststream run services.index.app:app`, the same as `services.app:index`."""

from carteiro.worker.app import index_worker

app = index_worker()
