"""The worker of translate: `faststream run services.translate.app:app`."""

from carteiro.worker.app import worker
from services.translate.task import task

app = worker(task)
