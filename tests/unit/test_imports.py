"""Programs that no quick test runs still find what they import of ours: a module that is moved takes them along."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("carteiro", "services", "benchmarks", "tests")
PROGRAMS = [
    file
    for folder in ("benchmarks", "images", "k8s", "scripts", "examples", "tests/containers", "tests/quality")
    for file in sorted((ROOT / folder).rglob("*.py"))
]


def imported(file: Path) -> set[str]:
    """The modules of ours that it imports from."""
    nodes = ast.walk(ast.parse(file.read_text()))
    modules = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    return {module for module in modules if module.partition(".")[0] in OURS}


@pytest.mark.parametrize("file", PROGRAMS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_is_imported_is_there(file: Path) -> None:
    missing = []
    for module in imported(file):
        try:
            found = find_spec(module)
        except ModuleNotFoundError as error:
            # Of a parent folder; what an extra brings may be missing.
            found = None if error.name is not None and error.name.partition(".")[0] in OURS else find_spec("ast")
        if found is None:
            missing.append(module)
    assert not missing
