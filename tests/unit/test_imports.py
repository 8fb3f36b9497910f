"""Imports: programs that no quick test runs find the modules of ours, and services stay apart from Kafka and SDKs."""

import ast
import functools
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("carteiro", "services", "benchmarks", "tests")
PROGRAMS = [
    file
    for folder in ("benchmarks", "k8s", "scripts", "examples", "tests/containers", "tests/quality")
    for file in sorted((ROOT / folder).rglob("*.py"))
]

TASK_MODULES = [
    file for task in sorted((ROOT / "services").glob("*/task.py")) for file in sorted(task.parent.glob("*.py"))
]
"""Modules of the folders that hold a task."""


@functools.cache
def imported(file: Path) -> set[str]:
    """Return the modules that it imports from."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


def top(module: str) -> str:
    return module.partition(".")[0]


def test_imported_modules_exist() -> None:
    missing = []
    for file in PROGRAMS:
        for module in (each for each in imported(file) if top(each) in OURS):
            try:
                found = find_spec(module)
            except ModuleNotFoundError as error:
                # Only a parent folder's import counts. The packages of an extra may be missing.
                found = None if error.name is not None and top(error.name) in OURS else find_spec("ast")
            if found is None:
                missing.append(f"{file.relative_to(ROOT)}: {module}")
    assert not missing


@pytest.mark.parametrize("file", TASK_MODULES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_task_imports_neither_kafka_nor_an_sdk(file: Path) -> None:
    forbidden = {"aiokafka", "faststream", "openai", "torch", "transformers"}
    assert {top(module) for module in imported(file)} & forbidden == set()
    assert [module for module in imported(file) if module.startswith(("carteiro.worker", "carteiro.cli"))] == []


def test_no_module_of_the_package_imports_a_service() -> None:
    files = (ROOT / "shared").rglob("*.py")
    assert [file.name for file in files if "services" in map(top, imported(file))] == []
