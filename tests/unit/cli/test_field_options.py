"""Options of `carteiro ask` for the fields of requests."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from carteiro.cli.field_options import field_options, join_names, option_name, with_field_options
from carteiro.schemas import REQUESTS

OPTIONS = {option.field: option for option in field_options()}


@pytest.mark.parametrize("task", REQUESTS)
def test_every_field_is_filled_by_an_option_or_by_the_text(task: str) -> None:
    request = REQUESTS[task]
    filled = {request.text_field, "options"} | {name for name, option in OPTIONS.items() if task in option.tasks}
    assert request.model_fields.keys() <= filled


@pytest.mark.parametrize(
    ("field", "names", "kind"),
    [
        ("target", ("--to",), str),
        ("question", ("--question", "-q"), str),
        ("labels", ("--label",), list[str]),
        ("json_schema", ("--schema",), Path),
        ("conversation_id", ("--conversation-id",), str),
    ],
)
def test_option_has_the_name_and_the_kind_of_its_field(field: str, names: tuple[str, ...], kind: Any) -> None:
    assert (OPTIONS[field].names, OPTIONS[field].kind) == (names, kind)
    assert option_name(field) == names[0]


def test_option_of_an_unknown_field_is_named_after_it() -> None:
    assert option_name("max_output_tokens") == "--max-output-tokens"


def test_choices_of_a_field_are_completed_and_listed() -> None:
    assert OPTIONS["style"].complete("b") == ["bullets"]
    assert OPTIONS["length"].complete("") == ["short", "medium", "long"]
    assert "formal, informal" in OPTIONS["formality"].help


def test_system_instructions_are_an_option_of_tasks_with_messages_too() -> None:
    assert OPTIONS["system"].tasks == ("chat", "generate")
    assert OPTIONS["system"].panel == "Only for chat and generate"


def test_names_are_joined_as_in_a_sentence() -> None:
    assert [join_names(names) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_command_gets_the_values_of_all_fields_and_keeps_its_own_options() -> None:
    received: list[dict[str, Any]] = []

    @with_field_options
    def command(
        length: Annotated[int, typer.Option("--length")] = 1,
        to: str = "",
        *,
        fields: dict[str, Any],
        options: dict[str, Any],
    ) -> None:
        received.append({"length": length, "to": to, **fields, "options": options})

    app = typer.Typer()
    app.command()(command)
    given = ["--length", "5", "--to", "x", "--from", "en", "--label", "a", "--label", "b", "--schema", "s.json"]
    given += ["--top-p", "0.5", "--stop", "END"]
    assert CliRunner().invoke(app, given).exit_code == 0
    (values,) = received
    assert (values["length"], values["to"], values["source"]) == (5, "x", "en")
    assert (values["labels"], values["json_schema"]) == (["a", "b"], Path("s.json"))
    options = values["options"]
    assert (options["top_p"], options["stop"], options["service_tier"]) == (0.5, ["END"], None)
    assert "target" not in values


def test_pairs_of_an_option_become_an_object() -> None:
    option = OPTIONS["filter"]
    assert (option.names, option.kind, option.tasks) == (("--filter",), list[str], ("answer", "chat"))
    given = ["tenant=north", "year=2023", "year=2024", "new=true", "code=007", "path=a=b//c", "empty="]
    assert option.read(given) == {
        "tenant": "north",
        "year": [2023, 2024],
        "new": True,
        "code": "007",
        "path": "a=b//c",
        "empty": "",
    }
    assert option.read(None) is None


@pytest.mark.parametrize("pair", ["north", "=north", ""])
def test_pair_without_a_name_is_refused(pair: str) -> None:
    with pytest.raises(typer.BadParameter, match="write NAME=VALUE"):
        OPTIONS["filter"].read([pair])
