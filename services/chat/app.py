"""The worker of chat: `faststream run services.chat.app:app`."""

from carteiro.worker.app import worker
from services.chat.task import task

app = worker(task)
