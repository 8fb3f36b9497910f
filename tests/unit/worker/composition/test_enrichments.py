"""The files, tasks and models of enrichments."""

import re
from pathlib import Path
from typing import Any

import pytest

from carteiro.enrichment.enrichment_file import EnrichmentFile, EnrichmentFileInvalid, parse_enrichment
from carteiro.models.errors import ModelUnusable
from carteiro.models.settings import ModelSettings
from carteiro.settings.environment import SettingsInvalid
from carteiro.settings.worker import WorkerSettings
from carteiro.worker.composition.enrichments import load_enrichments, open_step_models, tasks_of

TEXT = """\
from: a
to: b
steps:
  - {task: generate, request: "{prompt: text}", into: ai.first}
  - {task: generate, request: "{prompt: text}", into: ai.second, model: "openai:x, openai:y"}
  - {task: summarize, request: "{text: text}", into: ai.third}
"""
KEYS = ModelSettings(OPENAI_API_KEY="k", ANTHROPIC_API_KEY="k")  # type: ignore[call-arg]


def make_file(old: str = "", new: str = "") -> EnrichmentFile:
    assert old in TEXT
    return parse_enrichment(TEXT.replace(old, new).encode(), "f", "shop")


def open_models(file: EnrichmentFile, default: str = "openai:default") -> dict[str, list[str]]:
    models = open_step_models([file], tasks_of([file]), WorkerSettings(model=default), KEYS)
    return {chain: [model.name for model in several] for chain, several in models.items()}


def test_files_are_loaded_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / "two.yaml", tmp_path / "one.yaml"]
    for path in paths:
        path.write_text(TEXT)
    files = load_enrichments(f" {paths[0]} , {paths[1]},")
    assert [file.name for file in files] == ["two", "one"]


@pytest.mark.parametrize("paths", [None, "", " , "])
def test_setting_without_a_file_is_refused(paths: str | None) -> None:
    with pytest.raises(SettingsInvalid, match="CARTEIRO_ENRICHMENTS: name the file"):
        load_enrichments(paths)


def test_two_enrichments_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(TEXT)
    with pytest.raises(EnrichmentFileInvalid, match="two enrichments are named shop: set `name`"):
        load_enrichments(f"{path},{path}")


def test_circle_of_topics_is_refused(tmp_path: Path) -> None:
    circle = {"one": ("a", "b"), "two": ("b", "c"), "three": ("c", "a"), "other": ("a", "d")}
    for name, (source, target) in circle.items():
        (tmp_path / f"{name}.yaml").write_text(TEXT.replace("from: a\nto: b", f"from: {source}\nto: {target}"))
    with pytest.raises(EnrichmentFileInvalid, match="form a circle, ([abc]) to [abc] to [abc] to \\1: events"):
        load_enrichments(",".join(str(tmp_path / f"{name}.yaml") for name in circle))
    assert len(load_enrichments(",".join(str(tmp_path / f"{name}.yaml") for name in ("one", "two", "other")))) == 3


def test_only_the_tasks_of_the_steps_are_used() -> None:
    tasks = tasks_of([make_file(), make_file("task: summarize", "task: translate")])
    assert tasks.keys() == {"generate", "summarize", "translate"}
    assert all(name == task.name for name, task in tasks.items())


def test_unknown_task_is_named_with_its_step_and_the_known_ones() -> None:
    with pytest.raises(EnrichmentFileInvalid, match=r"shop: steps\.2\.task: there is no task 'sing'; there are .*chat"):
        tasks_of([make_file("task: summarize", "task: sing")])


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (
            "request: '{txt: text}'",
            "steps.2.request: the request of summarize has no field 'txt'; it has options, text",
        ),
        (
            "request: '{text: text}', take: sumary",
            "steps.2.take: the result of summarize has no field 'sumary'; it has",
        ),
        (
            "request: '{text: text}', take: '{a: summary, b: no.x}'",
            "steps.2.take: the result of summarize has no field 'no'",
        ),
    ],
)
def test_field_that_the_task_does_not_have_is_refused(new: str, message: str) -> None:
    with pytest.raises(EnrichmentFileInvalid, match=re.escape(message)):
        tasks_of([make_file('summarize, request: "{text: text}"', f"summarize, {new}")])


def test_step_has_its_own_chain_and_else_that_of_its_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CARTEIRO_SUMMARIZE_MODEL", "openai:short")
    assert open_models(make_file()) == {
        "generate": ["openai:default"],
        "generate openai:x, openai:y": ["openai:x", "openai:y"],
        "summarize": ["openai:short"],
    }


def test_model_of_only_commas_is_the_task_s() -> None:
    assert open_models(make_file("openai:x, openai:y", " , "))["generate  , "] == ["openai:default"]


def test_model_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ModelUnusable):
        open_models(make_file("openai:x, openai:y", "nobody:x"))


@pytest.mark.parametrize(("default", "refused"), [("openai:default", None), ("http://127.0.0.1:9/v1#x", "has none")])
def test_deferral_needs_batches_of_the_first_model_of_every_step(default: str, refused: Any) -> None:
    file = make_file("to: b", "to: b\nwait: 24h")
    if refused is None:
        assert open_models(file, default)
        return
    with pytest.raises(ModelUnusable, match=f"shop: wait needs a model with batches, and {default} {refused}"):
        open_models(file, default)
