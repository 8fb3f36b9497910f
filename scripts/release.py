"""Build all artifacts of a release, and print the commands that publish them: `make release`. `PUBLISH=yes` runs them
too.

    dist/   the wheels and source archives, the chart, the images' SBOMs and provenance, NOTES.md, SHA256SUMS

    PUBLISH=yes            upload, push and tag; needs credentials of PyPI (twine) and of the registry (docker, helm)
    REGISTRY=HOST/NAME     registry of the images and the chart; the default `carteiro` cannot be pushed
    IMAGES=no              leave the images out

Exit with code 1 and a line if a step fails.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
TARGETS = ("cloud", "local")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_{}(sys.argv[1]))"


def main() -> None:
    """Build the artifacts, then publish them or print the commands."""
    publish = os.environ.get("PUBLISH") == "yes"
    version = check_version()
    notes = release_notes(version)
    revision = check_revision(publish=publish)
    registry = os.environ.get("REGISTRY", "carteiro")
    if publish and "/" not in registry:
        abort("REGISTRY: name the registry to push to, such as REGISTRY=ghcr.io/NAME")
    shutil.rmtree(DIST, ignore_errors=True)
    DIST.mkdir()
    (DIST / "NOTES.md").write_text(notes)
    archives = [archive for project in ("shared", ".") for archive in build_archives(project)]
    chart = package_chart()
    pushes = [] if os.environ.get("IMAGES") == "no" else build_images(registry, version, revision)
    write_checksums()
    commands = [
        [sys.executable, "-m", "twine", "upload", *(f"dist/{name}" for name in archives)],
        *pushes,
        [*helm_push_command(), f"dist/{chart}", f"oci://{registry}"],
        ["git", "tag", "--annotate", f"v{version}", "--file", "dist/NOTES.md"],
        ["git", "push", "origin", f"v{version}"],
    ]
    print_progress(f"built {version}: {', '.join(sorted(file.name for file in DIST.iterdir()))}")
    print_progress("publishing" if publish else "a dry run; PUBLISH=yes runs these:")
    for command in commands:
        print("   ", shlex.join(command), flush=True)
        if publish:
            run(*command)


def check_version() -> str:
    """Return the version. Exit if the files that hold it differ."""
    found = {
        "shared/pyproject.toml": tomllib.loads((ROOT / "shared/pyproject.toml").read_text())["project"]["version"],
        "pyproject.toml": tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"],
        "Dockerfile": first_match("Dockerfile", r"^ARG VERSION=(.+)$"),
        "k8s/chart/Chart.yaml (version)": first_match("k8s/chart/Chart.yaml", r"^version: (.+)$"),
        "k8s/chart/Chart.yaml (appVersion)": first_match("k8s/chart/Chart.yaml", r"^appVersion: (.+)$"),
    }
    if len(set(found.values())) > 1:
        abort("the versions differ: " + ", ".join(f"{file} has {version}" for file, version in found.items()))
    return found["Dockerfile"]


def release_notes(version: str) -> str:
    """Return the section of the version in CHANGELOG.md."""
    section = re.search(
        rf"^## {re.escape(version)}\b[^\n]*\n(.+?)(?=^## |\Z)",
        (ROOT / "CHANGELOG.md").read_text(),
        re.MULTILINE | re.DOTALL,
    )
    if section is None:
        abort(f"CHANGELOG.md has no section for {version}")
    return f"Carteiro {version}\n\n{section[1].strip()}\n"


def check_revision(*, publish: bool) -> str:
    """Return the commit. Exit if the tree has changes and `publish` is set."""
    if run("git", "status", "--porcelain").strip():
        if publish:
            abort("the tree has changes: commit them first")
        print_progress("the tree has changes: what is built is not the commit")
    return run("git", "rev-parse", "HEAD").strip()


def build_archives(project: str) -> list[str]:
    """Build a project's source archive from the files that Git tracks, and its wheel from that. Return their names."""
    print_progress(f"building the archives of {project}")
    with tempfile.TemporaryDirectory() as folder:
        for name in run("git", "ls-files", "-z", project).split("\0")[:-1]:
            copy = Path(folder, "tracked", name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy)
        (source,) = run(
            sys.executable, "-c", BUILD.format("sdist"), str(DIST), cwd=Path(folder, "tracked", project)
        ).split()[-1:]
        shutil.unpack_archive(DIST / source, Path(folder, "source"), filter="data")
        (unpacked,) = Path(folder, "source").iterdir()
        (wheel,) = run(sys.executable, "-c", BUILD.format("wheel"), str(DIST), cwd=unpacked).split()[-1:]
    return [source, wheel]


def package_chart() -> str:
    """Package the chart with Helm: the program, or the wheel of its engine. Return the archive's name."""
    print_progress("packaging the chart")
    if shutil.which("helm"):
        run("helm", "package", "k8s/chart", "--destination", str(DIST))
    else:
        try:
            import helm_python
        except ImportError:
            abort("no helm in PATH, nor its engine: pip install helm-python-sdk")
        helm_python.package(ROOT / "k8s/chart", destination=DIST)
    (archive,) = DIST.glob("carteiro-*.tgz")
    return archive.name


def helm_push_command() -> list[str]:
    """Return the command that pushes a chart, without its two arguments."""
    engine = "import sys; from helm_python.registry import push; push(sys.argv[1], sys.argv[2])"
    return ["helm", "push"] if shutil.which("helm") else [sys.executable, "-c", engine]


def build_images(registry: str, version: str, revision: str) -> list[list[str]]:
    """Build both images, and put their SBOM and their provenance into dist/.

    Return the commands that push them, with both documents attached if the builder can do that.
    """
    attested = can_attest()
    if not attested:
        print_progress(
            "this builder attaches no SBOM or provenance to an image (docker buildx create --use makes one that does)"
        )
    pushes = []
    for target in TARGETS:
        image = f"{registry}/carteiro:{version}-{target}" if "/" in registry else f"{registry}:{version}-{target}"
        print_progress(f"building {image}")
        arguments = ["--target", target, "--tag", image, "--build-arg", f"VERSION={version}"]
        arguments += ["--build-arg", f"REVISION={revision}", "."]
        run("docker", "build", *arguments)
        name = f"carteiro-{version}-{target}"
        sbom = run("docker", "run", "--rm", "--entrypoint", "cat", image, "/opt/carteiro/sbom.cdx.json")
        (DIST / f"{name}.sbom.cdx.json").write_text(sbom)
        described = json.loads(run("docker", "image", "inspect", image))[0]
        provenance = {"image": image, "id": described["Id"], "revision": revision, "target": target}
        provenance |= {"layers": described["RootFS"]["Layers"]}
        (DIST / f"{name}.provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
        attach = ["docker", "buildx", "build", "--provenance=mode=max", "--sbom=true", "--push", *arguments]
        pushes.append(attach if attested else ["docker", "push", image])
    return pushes


def can_attest() -> bool:
    """True if the builder in use attaches attestations: Docker's own does not."""
    asked = subprocess.run(
        ["docker", "buildx", "inspect"],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    driver = re.search(r"^Driver:\s+(\S+)", asked.stdout, re.MULTILINE)
    return asked.returncode == 0 and driver is not None and driver[1] != "docker"


def write_checksums() -> None:
    """Write SHA256SUMS of all files in dist/."""
    lines = [f"{digest(file)}  {file.name}\n" for file in sorted(DIST.iterdir())]
    (DIST / "SHA256SUMS").write_text("".join(lines))


def digest(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def first_match(file: str, pattern: str) -> str:
    """Return the first group of a pattern in a file. Exit if it does not match."""
    found = re.search(pattern, (ROOT / file).read_text(), re.MULTILINE)
    if found is None:
        abort(f"{file} has no version")
    return found[1]


def run(*command: str, cwd: Path = ROOT) -> str:
    """Run a program and return its output. Exit with its last lines if it fails."""
    try:
        done = subprocess.run(command, check=False, cwd=cwd, capture_output=True, text=True)  # noqa: S603
    except FileNotFoundError:
        abort(f"there is no {command[0]} here")
    if done.returncode:
        abort(f"{' '.join(command[:4])} failed ({done.returncode}):\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def print_progress(line: str) -> None:
    """Print a line of progress."""
    print(f"release: {line}", flush=True)


def abort(line: str) -> NoReturn:
    """Exit with a line."""
    sys.exit(f"release: {line}")


if __name__ == "__main__":
    main()
