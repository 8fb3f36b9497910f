import json

from typer.testing import CliRunner

from carteiro.cli.main import app
from carteiro.tasks.discovery import task_names


def test_document_has_the_channels_of_every_task() -> None:
    document = json.loads(CliRunner().invoke(app, ["asyncapi"]).stdout)
    assert document["asyncapi"].startswith("3.")
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {f"llm.{task}.{kind}" for task in task_names() for kind in ("requests", "replies")} <= addresses
