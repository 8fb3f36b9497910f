"""The manifests that follow from the tasks."""

from pathlib import Path

from tests.manifests import K8S, load_script

ROOT = Path(__file__).parents[3]


def test_generated_manifests_are_current() -> None:
    for file, text in load_script(K8S / "generate.py").generated().items():
        assert file.read_text() == text, f"{file.relative_to(ROOT)} is old: run make generate"
