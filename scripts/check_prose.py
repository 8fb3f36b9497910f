"""Check the rules of prose that a program can check: `python scripts/check_prose.py [FOLDER]`, part of `make lint`.

Print `file:line: rule` for each fault in the docstrings, comments and test names of the tracked Python files and in the
Markdown documents. Exit with 1 if there is any.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_OPENING = re.compile(r"\s*(What|Which|Who|Whose|Whom|How|Whether|Where)\b")
_WORDS = {
    re.compile(r"\bwhere\b"): "say `if` for a condition, `in which` for a place",
    re.compile(r"\balone\b"): "say `only`, or `by itself`",
    re.compile(r"\bbeside\b"): "say `next to` or `besides`",
    re.compile(r"\banew\b"): "say `again`",
    re.compile(r"\bby then\b|\bis to be\b|\bis none\b|\bis had\b|\bthe better part of\b"): "say it literally",
}
_PRONOUN = re.compile(
    r"test_(it|they|one|those|each|such|what|who|whoever|whatever|nobody|nothing|everybody|none|its|this|that|these)_"
)
_LONG_PAGE = 100
"""Lines from which a page needs contents: two screens."""


def prose(source: str, tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    """Yield each docstring and comment of a module: its line, its text, and True if it is a docstring."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if not isinstance(node, ast.Lambda | ast.IfExp) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string, False


def check_module(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the rule of each fault in a Python module."""
    tree = ast.parse(source)
    for line, text, is_docstring in prose(source, tree):
        if is_docstring and (opening := _OPENING.match(text)):
            yield line, f"a docstring does not begin with {opening[1]}"
        yield from ((line, rule) for _, rule in check_words(text))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _PRONOUN.match(node.name):
            yield node.lineno, f"name the subject: {node.name}"


def check_words(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the rule of each word in a text that the rules replace. Code in backticks is left out."""
    for number, line in enumerate(re.sub(r"`[^`]*`", "", text).splitlines(), 1):
        yield from ((number, rule) for word, rule in _WORDS.items() if word.search(line))


def check_page(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the rule of each fault in a Markdown document."""
    yield from check_words(re.sub(r"(?m)^    .*$", "", text))
    if len(text.splitlines()) > _LONG_PAGE and text.count("](#") < 3:
        yield 1, f"a page of more than {_LONG_PAGE} lines starts with contents"


def main() -> int:
    """Check all tracked files, print the faults, and return the exit code."""
    listed = subprocess.run(
        ["git", "ls-files", "*.py", "*.md"],  # noqa: S607
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    faults = 0
    for name in listed.stdout.split():
        if not name.startswith(tuple(sys.argv[1:]) or ""):
            continue
        text = (_ROOT / name).read_text()
        for line, rule in sorted((check_module if name.endswith(".py") else check_page)(text)):
            sys.stdout.write(f"{name}:{line}: {rule}\n")
            faults += 1
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main())
