"""`faststream run services.enrich.app:app`, the same as `services.app:enrich`."""

from carteiro.worker.app import enrichment_worker

app = enrichment_worker()
