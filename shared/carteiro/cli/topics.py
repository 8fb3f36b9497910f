"""`carteiro topics`: the topics that the services need."""

from typing import TYPE_CHECKING, Annotated

import typer

from carteiro.cli.json_lines import AsJson, print_json

if TYPE_CHECKING:
    from carteiro.registry.connection import RegisteredSubject

app = typer.Typer(help="The topics that the services need.", no_args_is_help=True)


@app.callback()
def _force_subcommands() -> None:
    """Have Typer treat the one command as one of several."""


@app.command()
def create(
    partitions: Annotated[int, typer.Option(help="Partitions of the topics of requests and replies.", min=1)] = 6,
    replication: Annotated[int, typer.Option(help="Replicas of each topic; 3 in a cluster.", min=1)] = 1,
    batches: Annotated[
        bool,
        typer.Option("--batches", envvar="CARTEIRO_BATCHES", help="Also create the topics of deferred requests."),
    ] = False,
    schemas: Annotated[
        bool,
        typer.Option("--schemas", help="Also register the schemas of requests and replies in the Schema Registry."),
    ] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until Kafka answers, as a worker does.")] = False,
    as_json: AsJson = False,
) -> None:
    """Create the missing topics; existing topics are not changed.

    carteiro topics create
    carteiro topics create --wait --partitions 12 --replication 3 --batches
    carteiro topics create --schemas
    """
    from carteiro.cli.topic_creation import create_missing_topics

    created = create_missing_topics(partitions=partitions, replication=replication, batches=batches, wait=wait)
    for topic, new in created.items():
        if as_json:
            print_json({"topic": topic, "created": new})
        else:
            print(f"{'created' if new else 'there  '}  {topic}")
    if schemas:
        from carteiro.cli.schema_registration import register_schemas

        def report(each: "RegisteredSubject") -> None:
            if as_json:
                print_json({"subject": each.subject, "type": each.type, "id": each.id})
            else:
                print(f"schema   {each.subject}  {each.type}, id {each.id}")

        register_schemas(report, wait=wait)
