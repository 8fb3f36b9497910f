"""`make release` builds everything, publishes only on request, and stops at inconsistencies.

Docker and the upload programs are fakes that record their arguments. The archives and the chart are real.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = re.search(r"^version: (.+)$", (ROOT / "k8s/chart/Chart.yaml").read_text(), re.MULTILINE)[1]
DOCKER = """#!/bin/sh
echo "docker $*" >>"$CALLS"
case "$*" in
"buildx inspect") echo "Driver:   $DRIVER" ;;
run*) echo '{"bomFormat": "CycloneDX"}' ;;
"image inspect"*) echo '[{"Id": "sha256:1", "RootFS": {"Layers": ["sha256:2"]}}]' ;;
esac
"""
HELM = """#!/bin/sh
echo "helm $*" >>"$CALLS"
[ "$1" = push ] || exec "$PYTHON" -c "import helm_python; helm_python.package('$2', destination='$4')"
"""

pytest.importorskip("helm_python", reason="no Helm here: pip install helm-python-sdk", exc_type=ImportError)


class ReleaseCheckout:
    """A repository with the parts of a release, and programs that record their arguments."""

    def __init__(self, folder: Path) -> None:
        self.root, self.calls, programs = folder / "tree", folder / "calls", folder / "bin"
        for name in subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True
        ).stdout.split("\n"):
            if name.startswith(("services/", "shared/", "k8s/chart/", "scripts/")) or name in FILES:
                (self.root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, self.root / name)
        self.git("init", "--quiet")
        self.commit()
        programs.mkdir()
        (programs / "docker").write_text(DOCKER)
        # Python's own twine would be called by `-m`.
        (folder / "modules/twine").mkdir(parents=True)
        noted = "import os, sys; open(os.environ['CALLS'], 'a').write(' '.join(['twine', *sys.argv[1:]]) + chr(10))"
        (folder / "modules/twine/__main__.py").write_text(noted)
        (programs / "helm").write_text(HELM)
        for program in programs.iterdir():
            program.chmod(0o755)
        self._environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "PYTHON": sys.executable,
            "DRIVER": "docker",
            "PYTHONPATH": os.pathsep.join([str(folder / "modules"), os.environ.get("PYTHONPATH", "")]),
        }

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "all")

    def release(self, **settings: str) -> subprocess.CompletedProcess[str]:
        env = self._environment | settings
        command = [sys.executable, "scripts/release.py"]
        return subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True)

    @property
    def commands(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


FILES = ("pyproject.toml", "Dockerfile", "CHANGELOG.md", "README.md", "LICENSE", ".gitignore")
PUSHING = re.compile(r"^(twine|helm push|docker push|docker .*--push)")


@pytest.fixture
def checkout(tmp_path: Path) -> ReleaseCheckout:
    return ReleaseCheckout(tmp_path)


def test_dry_run_builds_everything_and_publishes_nothing(checkout: ReleaseCheckout):
    run = checkout.release()
    assert run.returncode == 0, run.stdout + run.stderr
    dist = checkout.root / "dist"
    assert {file.name for file in dist.iterdir()} == {
        f"carteiro-{VERSION}-py3-none-any.whl",
        f"carteiro-{VERSION}.tar.gz",
        f"carteiro_services-{VERSION}-py3-none-any.whl",
        f"carteiro_services-{VERSION}.tar.gz",
        f"carteiro-{VERSION}.tgz",
        *(
            f"carteiro-{VERSION}-{target}.{kind}"
            for target in ("cloud", "local")
            for kind in ("sbom.cdx.json", "provenance.json")
        ),
        "NOTES.md",
        "SHA256SUMS",
    }
    assert "services/chat/task.py" in zipfile.ZipFile(dist / f"carteiro_services-{VERSION}-py3-none-any.whl").namelist()
    with tarfile.open(dist / f"carteiro-{VERSION}.tgz") as chart:
        assert {"carteiro/values.yaml", "carteiro/values.schema.json", "carteiro/files/cloud.yaml"} <= set(
            chart.getnames()
        )
    assert (dist / "NOTES.md").read_text().startswith(f"Carteiro {VERSION}\n\n")
    check = subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=dist, capture_output=True, text=True)
    assert check.returncode == 0, check.stdout
    assert [call for call in checkout.commands if PUSHING.match(call)] == []
    assert "PUBLISH=yes" in run.stdout
    assert "attaches no SBOM or provenance" in run.stdout


def test_builder_with_attestations_adds_sbom_and_provenance(checkout: ReleaseCheckout):
    run = checkout.release(DRIVER="docker-container")
    pushes = [line for line in run.stdout.splitlines() if "--push" in line]
    assert len(pushes) == 2
    assert all("--provenance=mode=max --sbom=true" in line for line in pushes)


def test_publish_uploads_pushes_and_tags(checkout: ReleaseCheckout):
    origin = checkout.root.parent / "origin.git"
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    checkout.git("remote", "add", "origin", str(origin))
    checkout.git("config", "user.name", "a")
    checkout.git("config", "user.email", "a@example.com")
    run = checkout.release(PUBLISH="yes", REGISTRY="registry.example.com/team")
    assert run.returncode == 0, run.stdout + run.stderr
    pushed = [call for call in checkout.commands if PUSHING.match(call)]
    assert [call.split()[0] for call in pushed] == ["twine", "docker", "docker", "helm"]
    assert pushed[1:] == [
        f"docker push registry.example.com/team/carteiro:{VERSION}-cloud",
        f"docker push registry.example.com/team/carteiro:{VERSION}-local",
        f"helm push dist/carteiro-{VERSION}.tgz oci://registry.example.com/team",
    ]
    tags = subprocess.run(["git", "tag"], cwd=origin, capture_output=True, text=True).stdout
    assert tags == f"v{VERSION}\n"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("k8s/chart/Chart.yaml", f"\nversion: {VERSION}", "\nversion: 9.9.9", "the versions differ"),
        ("CHANGELOG.md", f"## {VERSION}", "## 9.9.9", "CHANGELOG.md has no section"),
    ],
)
def test_inconsistent_release_is_not_built(checkout: ReleaseCheckout, file: str, old: str, new: str, message: str):
    text = (checkout.root / file).read_text()
    assert old in text
    (checkout.root / file).write_text(text.replace(old, new))
    run = checkout.release()
    assert run.returncode == 1
    assert message in run.stderr
    assert checkout.commands == []


def test_changed_tree_is_not_published(checkout: ReleaseCheckout):
    (checkout.root / "README.md").write_text("changed")
    run = checkout.release(PUBLISH="yes", REGISTRY="registry.example.com/team")
    assert (run.returncode, checkout.commands) == (1, [])
    assert "commit them first" in run.stderr


def test_publish_needs_a_registry(checkout: ReleaseCheckout):
    run = checkout.release(PUBLISH="yes")
    assert (run.returncode, checkout.commands) == (1, [])
    assert "REGISTRY" in run.stderr
