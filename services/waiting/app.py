"""The worker of requests that can wait, of all tasks: `faststream run services.waiting.app:app`."""

from carteiro.worker.app import worker
from carteiro.worker.services import find_tasks

app = worker(*find_tasks(), waiting=True)
