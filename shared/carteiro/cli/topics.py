"""`carteiro topics`: the topics that the services need."""

from typing import Annotated

import typer
from aiokafka.errors import TopicAlreadyExistsError, for_code

from carteiro.cli.json_lines import AsJson, print_json
from carteiro.cli.kafka import Kafka, KafkaFailed, settings, with_kafka
from carteiro.worker.kafka.topic_list import needed_topics
from carteiro.worker.services import find_tasks

app = typer.Typer(help="The topics that the services need.", no_args_is_help=True)


@app.callback()
def _several() -> None:
    """Have Typer treat the one command as one of several."""


@app.command()
def create(
    partitions: Annotated[int, typer.Option(help="Of requests and replies.", min=1)] = 6,
    replication: Annotated[int, typer.Option(help="Copies of each; 3 in a cluster.", min=1)] = 1,
    batches: Annotated[bool, typer.Option("--batches", help="Those of requests that can wait, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create what is missing; topics that are there stay as they are.

    carteiro topics create
    carteiro topics create --partitions 12 --replication 3 --batches
    """

    async def work(kafka: Kafka) -> dict[str, bool]:
        wanted = needed_topics(
            find_tasks(), kafka.topics, partitions=partitions, replication=replication, batches=batches
        )
        answer = await kafka.admin.create_topics([each for each in wanted if each.name not in kafka.existing])
        made = {each.name: each.name not in kafka.existing for each in wanted}
        for topic, code, *detail in answer.topic_errors:
            error = for_code(code)
            if code and error is not TopicAlreadyExistsError:
                raise KafkaFailed(f"{topic} cannot be created: {detail[0] if detail and detail[0] else error.__name__}")
            made[topic] = not code
        return made

    for topic, new in with_kafka(settings(), work).items():
        if as_json:
            print_json({"topic": topic, "created": new})
        else:
            print(f"{'created' if new else 'there  '}  {topic}")
