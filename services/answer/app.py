"""The worker of answer: `faststream run services.answer.app:app`."""

from carteiro.worker.app import worker
from services.answer.task import task

app = worker(task)
