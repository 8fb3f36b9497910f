"""The check for environment variables that look like settings but are not, for example misspelt ones."""

import re
from collections.abc import Iterable
from difflib import get_close_matches

from carteiro.settings.environment import env_variable
from carteiro.settings.kafka import KafkaSettings
from carteiro.settings.worker import TaskSettings, WorkerSettings

_PREFIX = "CARTEIRO_"
_NON_SETTINGS = frozenset({"CARTEIRO_WORKERS"})
"""Variables that a command reads by itself."""
_SIMILARITY = 0.65
"""Minimum similarity of two names, by `difflib`, at which one is suggested for the other."""
_KUBERNETES_SERVICE = re.compile(r".*_(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)?)")
"""Variables that Kubernetes sets for a service whose name begins with our prefix."""


def find_unknown_variables(names: Iterable[str]) -> list[str]:
    """Return a message for each variable that looks like a setting but is not. It names the most similar setting."""
    kafka = {env_variable(KafkaSettings, field) for field in KafkaSettings.model_fields}
    candidates = [name for name in sorted({name.upper() for name in names} - kafka) if _is_ours(name)]
    known = _known_variables() if candidates else set()
    return [line for name in candidates if name not in known and (line := _message(name, known))]


def _is_ours(name: str) -> bool:
    """Return True if the name begins with our prefix, or with a similar one."""
    if name.startswith(_PREFIX):
        return not _KUBERNETES_SERVICE.fullmatch(name)
    prefix, separator, _ = name.partition("_")
    return bool(separator and get_close_matches(prefix + separator, [_PREFIX], 1, _SIMILARITY))


def _known_variables() -> set[str]:
    # Imported here: most calls need neither.
    from carteiro.models.settings import ModelSettings
    from carteiro.registry.settings import RegistrySettings
    from carteiro.schemas import REQUESTS

    tasks = {f"{_PREFIX}{task.upper()}_{field.upper()}" for task in REQUESTS for field in TaskSettings.model_fields}
    kinds = (WorkerSettings, ModelSettings, RegistrySettings)
    return tasks | _NON_SETTINGS | {env_variable(kind, field) for kind in kinds for field in kind.model_fields}


def _message(name: str, known: set[str]) -> str | None:
    name_after_prefix = name.partition("_")[2]
    names = sorted(each.removeprefix(_PREFIX) for each in known if each.startswith(_PREFIX))
    similar = get_close_matches(name_after_prefix, names, 1, _SIMILARITY)
    if similar:
        return f"{name} is no setting: did you mean {_PREFIX}{similar[0]}?"
    # A variable of another program may only look like ours, so it is not reported.
    return f"{name} is no setting; docs/run/settings.md lists them" if name.startswith(_PREFIX) else None
