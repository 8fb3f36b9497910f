"""The worker of generate: `faststream run services.generate.app:app`."""

from carteiro.worker.app import worker
from services.generate.task import task

app = worker(task)
