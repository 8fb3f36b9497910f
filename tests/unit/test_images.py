"""The packages in the images are pinned, and they are those that the package requires."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LISTS = ROOT / "images/requirements"
PROJECT = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]
ENGINES = ("ctranslate2", "llamacpp", "openvino", "tensorflow")
"""Optional packages that users add to the image themselves."""
# Of `embedded` the images have only the packaged translator (images/requirements/local.in).
CLOUD = [extra for extra in PROJECT["optional-dependencies"] if extra not in ("local", "embedded", *ENGINES)]


def pinned(*files: str) -> dict[str, Version]:
    lines = [line for file in files for line in (LISTS / file).read_text().splitlines()]
    return {name: Version(number) for line in lines for name, number in re.findall(r"^([a-z0-9.-]+)==([^ ]+)", line)}


def requirements_of(*extras: str) -> list[Requirement]:
    required = PROJECT["dependencies"] + [each for extra in extras for each in PROJECT["optional-dependencies"][extra]]
    return [each for each in map(Requirement, required) if each.name != "carteiro"]


@pytest.mark.parametrize(
    ("extras", "files"),
    [
        (CLOUD, ["cloud.txt"]),
        ([*CLOUD, "local"], ["local.txt", "torch-cpu.txt"]),
        ([*CLOUD, "local"], ["local.txt", "torch-cuda.txt"]),
    ],
    ids=["cloud", "local", "local-cuda"],
)
def test_image_has_the_packages_required(extras, files):
    there = pinned(*files)
    for requirement in requirements_of(*extras):
        name = requirement.name.lower().replace("_", "-")
        assert name in there, f"{name} is not in images/requirements: run make lock"
        assert requirement.specifier.contains(there[name].public), f"{name} {there[name]}: run make lock"


@pytest.mark.parametrize("file", sorted(LISTS.glob("*.txt")), ids=lambda file: file.name)
def test_every_download_has_a_hash(file: Path):
    entries = re.split(r"\n(?=\S)", file.read_text().strip())
    listed = [entry for entry in entries if not entry.startswith("#")]
    assert listed
    for entry in listed:
        assert re.match(r"[a-z0-9.-]+==\S+ ", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_both_images_have_the_same_versions():
    cloud, local = pinned("cloud.txt"), pinned("local.txt")
    assert {name: local[name] for name in cloud} == cloud


def test_torch_is_the_version_that_setup_installs():
    assert f"torch={pinned('torch-cpu.txt')['torch'].public}\n" in (ROOT / "scripts/setup").read_text()
