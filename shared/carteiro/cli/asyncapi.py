"""`carteiro asyncapi`."""

import json


def asyncapi() -> None:
    """Print the AsyncAPI 3 document of all services, which is JSON.

    carteiro asyncapi > asyncapi.json
    """
    from carteiro.tasks.discovery import find_tasks
    from carteiro.wire.topics import Topics
    from carteiro.worker.asyncapi import asyncapi as document

    print(json.dumps(document([task.request for task in find_tasks()], Topics()), indent=2, ensure_ascii=False))
