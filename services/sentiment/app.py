"""The worker of sentiment: `faststream run services.sentiment.app:app`."""

from carteiro.worker.app import worker
from services.sentiment.task import task

app = worker(task)
