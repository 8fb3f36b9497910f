"""The package as it is published: the files in its archives, and its work with each extra by itself."""

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]
TORCH = re.search(r"^torch=(.+)$", (ROOT / "scripts/setup").read_text(), re.MULTILINE)[1]

CLIENT = r"carteiro\.(schemas|wire|client|extras)\b"
WORKER = (
    rf"{CLIENT}|carteiro\.(tasks|kafka|ledger|settings|cli"
    r"|worker(?!\.handling\.redis_cache)|models(?!\.local\.))"
)
ENGINE = {
    "local": r"(transformers|checkpoints|inference|seq2seq|text_generation|fast_translate)",
    "llamacpp": r"(llamacpp|text_generation)",
    "openvino": r"openvino",
    "ctranslate2": r"(ctranslate2|seq2seq)",
    "tensorflow": r"tensorflow",
    "embedded": r"fast_translate",
}
PROMISED = {"": CLIENT} | {
    extra: rf"{WORKER}|carteiro\.models\.local\.{ENGINE[extra]}" if extra in ENGINE else WORKER
    for extra in PROJECT["optional-dependencies"]
}
PROMISED["retrieval"] += r"|carteiro\.retrieval(?!\.stores\.(postgres|qdrant))"
PROMISED["postgres"] += r"|carteiro\.retrieval(?!\.stores\.qdrant)"
PROMISED["qdrant"] += r"|carteiro\.retrieval(?!\.stores\.postgres)"
PROMISED["references"] = rf"{CLIENT}|carteiro\.references"
PROMISED["redis"] += r"|carteiro\.worker\.handling\.redis_cache"
TOO_LARGE = {"openvino": "0.2 GB", "tensorflow": "1 GB"}
"""Extras that are resolved but not installed."""

WALK = """
import importlib, pkgutil, carteiro
for module in pkgutil.walk_packages(carteiro.__path__, "carteiro.", onerror=lambda name: None):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as missing:
        print(module.name, missing, sep="|")
    else:
        print(module.name, "", sep="|")
"""
PROGRAM = """
from carteiro.client import Carteiro
async def main() -> str:
    async with Carteiro("localhost:9092") as carteiro:
        return (await carteiro.summarize("A text.")).result.{field}
"""


def run(*command: str | Path, cwd: Path, code: int = 0, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CARTEIRO_"))}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=clean | environment, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def archives(tmp_path_factory) -> Path:
    """Return a folder with the source archive, and with the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("archives")
    ours = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    shutil.copytree(ROOT / "shared", folder / "shared", ignore=ours)
    build = "import sys; from setuptools import build_meta; build_meta.build_{}(sys.argv[1])"
    run(sys.executable, "-c", build.format("sdist"), folder, cwd=folder / "shared")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    run(sys.executable, "-c", build.format("wheel"), folder, cwd=next((folder / "unpacked").iterdir()))
    return folder


@pytest.fixture(scope="module")
def wheel(archives) -> Path:
    return next(archives.glob("*.whl"))


def test_wheel_holds_every_file_of_the_package(wheel):
    source = ROOT / "shared"
    files = {path for path in (source / "carteiro").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    packed = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in packed if ".dist-info/" not in name} == {str(path.relative_to(source)) for path in files}
    assert {"carteiro/py.typed", "carteiro/models/prices.toml"} <= packed
    assert any(name.endswith("/licenses/LICENSE") for name in packed)


def test_wheel_metadata_is_complete(wheel):
    archive = zipfile.ZipFile(wheel)
    info = f"carteiro-{PROJECT['version']}.dist-info"
    metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    assert metadata.get_payload() == (ROOT / "shared/README.md").read_text()
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert set(metadata.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    base = [each for each in metadata.get_all("Requires-Dist") if "extra ==" not in each]
    assert sorted(re.split(r"[<>=\[]", each)[0] for each in base) == ["aiokafka", "pydantic"]
    assert b"carteiro = carteiro.cli.command:main" in archive.read(f"{info}/entry_points.txt")


def test_readme_of_the_package_names_every_extra():
    text = (ROOT / "shared/README.md").read_text()
    assert [extra for extra in PROJECT["optional-dependencies"] if f"`{extra}`" not in text] == []


def environment(folder: Path) -> Path:
    run(sys.executable, "-m", "venv", folder / "env", cwd=folder)
    return folder / "env/bin"


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("extra", PROMISED, ids=lambda extra: extra or "none")
def test_wheel_works_without_the_repository(extra, wheel, tmp_path):
    programs = environment(tmp_path)
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    wanted = f"{wheel}[{extra}]" if extra else wheel
    if extra in TOO_LARGE:
        # These environments lack PyTorch, which would be as large again.
        output = run(*pip, "--dry-run", "--report", "report.json", wanted, cwd=tmp_path)
        assert '"name":"torch"' not in (tmp_path / "report.json").read_text().replace('": "', '":"'), output
        pytest.skip(f"{extra} is {TOO_LARGE[extra]}: it was resolved, and not installed")
    if extra == "local":
        alone = ["--no-index", "--no-deps", f"torch=={TORCH}"]
        if subprocess.run([*map(str, pip), "--dry-run", *alone], capture_output=True).returncode:
            pytest.skip("pip's find-links offer no CPU build of torch, and PyPI's would bring CUDA")
        run(*pip, *alone, cwd=tmp_path)
    run(*pip, "--no-compile", wanted, cwd=tmp_path)

    output = run(programs / "python", "-c", WALK, cwd=tmp_path).splitlines()
    walked = dict(line.split("|", 1) for line in output if line.startswith("carteiro"))
    assert "carteiro.client.client" in walked
    missing = {name: why for name, why in walked.items() if why}
    assert {name: why for name, why in missing.items() if re.match(PROMISED[extra], name)} == {}
    if extra not in ("", "references"):  # these two are for producers
        assert run(programs / "carteiro", "--version", cwd=tmp_path) == f"{PROJECT['version']}\n"
        assert "Commands" in run(programs / "carteiro", "--help", cwd=tmp_path)
    else:
        output = run(programs / "carteiro", "--help", cwd=tmp_path, code=1)
        assert output == "carteiro: the command needs typer: pip install 'carteiro[cli]'\n"
        for part in ("worker", "models"):
            assert missing[f"carteiro.{part}"].endswith(": pip install 'carteiro[worker]'")


@pytest.mark.long
@pytest.mark.timeout(600)
def test_program_of_a_user_is_checked_by_mypy(wheel, tmp_path):
    programs = environment(tmp_path)
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", wheel, cwd=tmp_path)
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", programs / "python", "program.py"]
    (tmp_path / "program.py").write_text(PROGRAM.format(field="summary"))
    run(*mypy, cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM.format(field="summery"))
    assert 'has no attribute "summery"' in run(*mypy, cwd=tmp_path, code=1)
    installed = run(programs / "python", "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    assert not re.search(r"^(openai|faststream|torch|typer)\b", installed, re.MULTILINE)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_model_without_its_extra_is_rejected_in_one_line(wheel, tmp_path):
    programs = environment(tmp_path)
    run(programs / "python", "-m", "pip", "install", "--quiet", "--no-compile", f"{wheel}[cli]", cwd=tmp_path)
    shutil.copytree(ROOT / "services", tmp_path / "services")
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    for extra in ("local", "llamacpp", "openvino", "ctranslate2", "tensorflow"):
        settings = {"PYTHONPATH": str(tmp_path), "CARTEIRO_MODEL": f"{extra}:{tmp_path}", "CARTEIRO_HTTP_PORT": "0"}
        output = run(programs / "carteiro", "doctor", "--no-ask", cwd=tmp_path, code=1, **settings)
        assert f"pip install 'carteiro[{extra}]'" in output
        assert "Traceback" not in output
    output = run(programs / "carteiro", "up", cwd=tmp_path, code=1, PYTHONPATH=str(tmp_path))
    assert "pip install 'carteiro[embedded]'" in output
    assert output.count("\n") == 1
