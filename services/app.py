"""Workers by name: `faststream run services.app:chat` runs the worker of one task, `services.app:batch` that of the
deferred requests of all tasks, `services.app:enrich` that of the enrichments, and `services.app:index` that of the
collections.
"""

from carteiro.tasks.discovery import find_task, find_tasks, task_names
from carteiro.worker.app import enrichment_worker, index_worker, worker
from carteiro.worker.worker import Worker


def __getattr__(name: str) -> Worker:
    if name == "batch":
        return worker(*find_tasks(), batch=True)
    if name == "enrich":
        return enrichment_worker()
    if name == "index":
        return index_worker()
    if name not in (names := task_names()):
        raise AttributeError(f"there is no task {name!r}; there are {', '.join(names)}")
    return worker(find_task(name))
