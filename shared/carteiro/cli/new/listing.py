"""The one list that a new task is put into: the schemas' `__init__.py`. Pure: text in, text out."""

import re

_ENTRIES = re.compile(r"(    for request in \(\n)(.*?)(    \)\n)", re.DOTALL)
_ALL = re.compile(r"(__all__ = \[\n)(.*?)(\]\n)", re.DOTALL)
_IMPORT = re.compile(r"^from carteiro\.schemas\.(\w+) import .*?(?:\)|$)\n", re.DOTALL | re.MULTILINE)


def listed(text: str, task: str, prefix: str) -> str:
    """The module with a task in it, whose classes begin with `prefix`: imported, among the requests, and exported.

    Raises `ValueError` where the module does not look as it should.
    """
    names = [f"{prefix}Request", f"{prefix}Result"]
    text = _imported(text, task, f"from carteiro.schemas.{task} import {', '.join(names)}\n")
    text, entered = _ENTRIES.subn(lambda found: f"{found[1]}{found[2]}        {names[0]},\n{found[3]}", text)
    text, exported = _ALL.subn(lambda found: found[1] + _sorted(found[2], names) + found[3], text)
    if not (entered == exported == 1):
        raise ValueError("its list of requests, or of names, is not where it should be")
    return text


def _imported(text: str, task: str, line: str) -> str:
    # In the order that the linter wants: by the module's name.
    for found in _IMPORT.finditer(text):
        if found[1] > task:
            return text[: found.start()] + line + text[found.start() :]
    if (last := list(_IMPORT.finditer(text))[-1:]) == []:
        raise ValueError("it imports no schemas")
    return text[: last[0].end()] + line + text[last[0].end() :]


def _sorted(names: str, more: list[str]) -> str:
    lines = [*names.splitlines(), *(f'    "{name}",' for name in more)]
    # Constants, then classes, then functions: each in alphabetical order, as the linter wants it.
    return "\n".join(sorted(lines, key=_kind)) + "\n"


def _kind(line: str) -> tuple[int, str]:
    name = line.strip(' ",')
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)
