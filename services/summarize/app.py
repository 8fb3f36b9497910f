"""The worker of summarize: `faststream run services.summarize.app:app`."""

from carteiro.worker.app import worker
from services.summarize.task import task

app = worker(task)
