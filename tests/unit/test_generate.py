"""Files that follow from the tasks: what is committed is what is generated."""

from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, ClassVar, Literal

import pytest
import yaml

from carteiro.schemas import Request, Result
from carteiro.schemas.request import CommandOption, Schema, Text
from tests.manifests import load_script

ROOT = Path(__file__).parents[2]
GENERATE: ModuleType = load_script(ROOT / "scripts/generate.py")
GENERATED: dict[Path, str] = GENERATE.generated()


class Item(Schema):
    """Part of a request."""

    name: str


class SortResult(Result):
    """The result."""

    order: list[int]


class SortRequest(Request[SortResult]):
    """Sort the items. They are never changed."""

    task: ClassVar = "sort"
    result: ClassVar = SortResult
    text_field: ClassVar = "items"

    items: Annotated[list[Item], CommandOption("item")]
    by: Literal["name", "length"] = "name"
    weights: list[float] | None = None
    extra: dict[str, Any] | None = None
    notes: list[Text] | None = None


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_committed_file_is_the_generated_one(file: Path) -> None:
    assert file.read_text() == GENERATED[file], f"{file.relative_to(ROOT)} is old: run make generate"


def test_required_fields_are_positional_and_the_others_are_keywords() -> None:
    source = GENERATE.task_request(SortRequest)
    arguments = source.partition("(")[2].partition(") ->")[0]
    required, _, optional = arguments.partition(", *, ")
    assert required == "items: str | Item | dict[str, Any] | Sequence[Item | dict[str, Any]]"
    assert optional.split(", **")[0] == (
        'by: Literal["name", "length"] | None = None, weights: float | Sequence[float] | None = None, '
        "extra: dict[str, Any] | None = None, notes: str | Sequence[str] | None = None"
    )
    assert '"""Sort the items. They are never changed."""' in source
    assert "-> PreparedRequest[SortResult]:" in source


def test_function_imports_the_classes_of_its_fields() -> None:
    assert GENERATE.classes_of(SortRequest) == {SortRequest, SortResult, Item}


def test_new_task_gets_a_service_its_model_and_its_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GENERATE, "task_names", lambda: ["chat", *(f"task{number:02}" for number in range(10))])
    compose = yaml.safe_load(GENERATE.compose(GENERATE.COMPOSE.read_text()))
    assert compose["services"]["task09"]["environment"]["TASK"] == "task09"
    assert compose["services"]["task09"]["ports"] == ["127.0.0.1:${TASK_PORTS:-81}11:8080"]
    assert "CARTEIRO_TASK09_MODEL" in compose["services"]["worker"]["environment"]
    prometheus = yaml.safe_load(GENERATE.prometheus(GENERATE.PROMETHEUS.read_text()))
    (names,) = [each["names"] for each in prometheus["scrape_configs"][0]["dns_sd_configs"]]
    assert names[:3] == ["worker", "chat", "task00"]


def test_only_the_lines_between_the_comments_are_written() -> None:
    text = "a\n  # begin x: scripts/generate.py\n  old\n  # end x\nb\n"
    new = GENERATE.with_lines(text, "x", ["  new"])
    assert new == text.replace("old", "new")
    with pytest.raises(ValueError, match="begin y"):
        GENERATE.with_lines(text, "y", [])
