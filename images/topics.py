"""Makes the topics of all tasks where they are not there yet: `python topics.py`. Others are left as they are.

Where Kafka is, and the topics' prefix, are a worker's settings (docs/settings.md). Besides them:

    PARTITIONS   of the topics of requests and replies, 6 by default; dead letters have one
    REPLICATION  of all topics, 1 by default

With `CARTEIRO_BATCHES` there are two more for each task, for requests that can wait.

Waits for Kafka as a worker does. Ends with 1, and a line, where a topic cannot be made.
"""

import asyncio
import os
import sys

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from carteiro.worker.kafka.reaching import KafkaUnusable, wait_for_kafka
from carteiro.worker.kafka.security import connection_options
from carteiro.worker.kafka.topic_list import needed_topics
from carteiro.worker.services import find_tasks
from carteiro.worker.settings import SettingsInvalid, load_settings


async def make_topics(partitions: int, replication: int) -> None:
    """Make them. Raises `KafkaError`, `KafkaUnusable` and `SettingsInvalid`."""
    settings, _ = load_settings()
    options = connection_options(settings)
    await wait_for_kafka(options)
    wanted = needed_topics(
        find_tasks(), settings.topics, partitions=partitions, replication=replication, batches=settings.batches
    )
    admin = AIOKafkaAdminClient(**options)
    await admin.start()
    try:
        answer = await admin.create_topics(wanted)
    finally:
        await admin.close()
    for topic, code, *detail in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{topic}: {detail[0] if detail else ''}")
        print(f"{topic}: {'was there' if code else 'made'}")


def main() -> None:
    """Make the topics, and say which are new."""
    try:
        asyncio.run(make_topics(int(os.environ.get("PARTITIONS", "6")), int(os.environ.get("REPLICATION", "1"))))
    except (KafkaError, KafkaUnusable, SettingsInvalid, ValueError) as error:
        sys.exit(f"topics: {error}")


if __name__ == "__main__":
    main()
