"""The documents agree with the code."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydantic_core import PydanticUndefined

from carteiro.models.abilities import can_stream
from carteiro.models.cloud.client import APIS
from carteiro.models.cloud.request_format import SchemaMode
from carteiro.models.compatible import COMPATIBLE_PROVIDERS
from carteiro.models.prices import load_prices
from carteiro.models.registry import load_providers, open_model
from carteiro.models.settings import ModelSettings
from carteiro.registry.settings import RegistrySettings
from carteiro.schemas import ERROR_CODES, REQUESTS, Options
from carteiro.settings.environment import env_variable
from carteiro.settings.worker import WorkerSettings
from carteiro.worker import exit_codes

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SETTINGS = (WorkerSettings, ModelSettings, RegistrySettings)


def rows(document: str) -> dict[str, list[str]]:
    """Return the rows of a document's tables by their first cell, without its backticks."""
    return _rows((DOCS / document).read_text())


def _rows(text: str) -> dict[str, list[str]]:
    found = {}
    for line in text.splitlines():
        if line.startswith("| `") or re.match(r"\| \d", line):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            found[cells[0].strip("`")] = cells[1:]
    return found


_MODELS, _, _ABILITIES = (DOCS / "start/models.md").read_text().partition("### What each can\n")
_ABILITIES, _, _SERVICES = _ABILITIES.partition("\n## ")
PROVIDERS = {name: cells for name, cells in _rows(_MODELS + _SERVICES).items() if name.endswith(":")}
ABILITIES = re.search(r"^\| names \| (.+) \|$", _ABILITIES, re.MULTILINE)[1].split(" | ")
PROVIDER_VARIABLES = {
    f"{name}{suffix}"
    for cells in PROVIDERS.values()
    for name in re.findall(r"`(\w+)`", f"{cells[0]} {cells[1]}")
    if not name.startswith("CARTEIRO_")
    for suffix in ("", "_FILE")
}


def test_every_setting_is_in_the_table_with_its_default():
    table = rows("run/settings.md")
    for kind in SETTINGS:
        for field, setting in kind.model_fields.items():
            name = env_variable(kind, field)
            if name in PROVIDER_VARIABLES:
                continue
            assert name in table
            if setting.default not in (None, PydanticUndefined) and len(table[name]) == 2:
                assert table[name][0] == f"`{as_written(setting.default)}`", name


def as_written(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize(
    "provider", dict.fromkeys(each for each in load_providers().values() if each.remote), ids=lambda each: each.scheme
)
def test_providers_table_agrees_with_the_code(provider, monkeypatch):
    key, address, *tasks = PROVIDERS[f"{provider.scheme}:"]
    row = next((row for row in COMPATIBLE_PROVIDERS if row.scheme == provider.scheme), None)
    if row is not None:
        assert (key, address) == (f"`{row.key}`" + ("" if row.needs_key else " or none"), f"`{row.address}`")
    if provider.tasks:
        assert tasks == [", ".join(provider.tasks)]
        return
    json_mode = row is not None and row.form.schema is SchemaMode.JSON_OBJECT
    for variable in PROVIDER_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable in re.findall(r"`(\w+)`", key):
        monkeypatch.setenv(variable, "secret")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://name.openai.azure.com")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    name = "http://127.0.0.1/v1#m" if provider.scheme == "http" else f"{provider.scheme}:m"
    model = open_model(name, ModelSettings())
    endpoint = model._endpoint
    abilities = {
        "tools": endpoint.tools,
        "images": endpoint.images and "image" in APIS[endpoint.api].MEDIA,
        "stream": can_stream(model),
        "batches": provider.has_batches,
        "flex": "flex" in endpoint.tiers,
        "priority": "priority" in endpoint.tiers,
        "cache": any(
            name.startswith(f"{provider.scheme}:") and price.cached_input is not None
            for name, price in load_prices().models.items()
        ),
        "vectors": provider.open_embedder is not None,
    }
    cells = {ability: "yes" if has else "" for ability, has in abilities.items()}
    table = _rows(_ABILITIES)[f"{provider.scheme}:"]
    assert dict(zip(ABILITIES, table, strict=True)) == {**cells, "JSON": "prompt" if json_mode else "schema"}


def test_every_carteiro_setting_in_the_table_exists():
    known = {env_variable(kind, field) for kind in SETTINGS for field in kind.model_fields}
    listed = {name for name in rows("run/settings.md") if name.startswith("CARTEIRO_")}
    assert listed == {name for name in known if name.startswith("CARTEIRO_")} | {"CARTEIRO_<TASK>_MODEL"}


def test_every_error_code_is_explained():
    table = {name: cells[0] for name, cells in rows("use/wire.md").items() if name in ERROR_CODES}
    assert table == ERROR_CODES


def test_every_exit_code_is_explained():
    codes = {0} | {value for name, value in vars(exit_codes).items() if name.startswith("EXIT_")}
    assert {int(name) for name in rows("run/settings.md") if name.isdigit()} == codes


def test_every_field_of_a_request_is_named():
    text = (DOCS / "start" / "tasks.md").read_text()
    for task, request in REQUESTS.items():
        section = text.partition(f"## {task}\n")[2].partition("\n## ")[0]
        for field in set(request.model_fields) - {"options"}:
            assert f"`{field}`" in section, f"{task}.{field}"
    assert all(f"| `{option}` |" in text for option in Options.model_fields)


@pytest.mark.parametrize("document", [ROOT / "README.md", *DOCS.glob("**/*.md")], ids=lambda path: path.name)
def test_links_have_a_target(document):
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", document.read_text()):
        assert (document.parent / target).exists(), target


@pytest.mark.parametrize(
    "document",
    [path for pattern in ("*.md", "docs/**/*.md", "shared/*.md", "examples/**/*.md") for path in ROOT.glob(pattern)],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_no_page_installs_our_packages_from_an_index(document):
    assert not re.search(r"pip install (-\S+ )*['\"]?carteiro", document.read_text())


def test_readme_fits_two_screens():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


def test_every_row_of_the_readmes_comparison_has_its_sources():
    table = (ROOT / "README.md").read_text().partition("\n## Compared ")[2].partition("\n## ")[0]
    compared = [line.split(" | ")[0].strip("| ") for line in table.splitlines() if line.startswith("| ")][2:]
    headings = re.findall(r"^## (.+)$", (DOCS / "understand" / "compared.md").read_text(), re.MULTILINE)
    assert len(compared) > 5
    assert [each.lower() for each in headings] == [each.lower() for each in compared]


@pytest.mark.parametrize("picture", sorted((DOCS / "pictures").glob("*.svg")), ids=lambda path: path.name)
def test_pictures_are_complete_shown_and_load_nothing(picture):
    drawn = picture.read_text()
    assert ElementTree.fromstring(drawn).tag == "{http://www.w3.org/2000/svg}svg"
    assert not re.search(r"(href|url\()\s*[=]?\s*[\"'(]?https?:", drawn)
    assert f"(docs/pictures/{picture.name})" in (ROOT / "README.md").read_text()
