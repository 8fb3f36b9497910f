"""Program that calls an engine's model in a process in which torch cannot be imported.

`python -m tests.unit.models.local.without_torch NAME` reads calls from standard input, as JSON: a method and its
arguments. It writes their results and the properties of the model.
"""

import asyncio
import dataclasses
import json
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any


class PathFinderWithoutTorch(PathFinder):
    """The finder of installed packages, except torch. SciPy trips over a `None` in `sys.modules`."""

    @classmethod
    def find_spec(cls, fullname: str, *options: Any) -> ModuleSpec | None:
        return None if fullname == "torch" else super().find_spec(fullname, *options)


sys.meta_path[sys.meta_path.index(PathFinder)] = PathFinderWithoutTorch


def to_plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return dict(value) if hasattr(value, "keys") else value


async def main(name: str) -> None:
    from carteiro.models.prompt import Message, Prompt
    from carteiro.models.registry import open_model
    from carteiro.models.settings import ModelSettings

    model: Any = open_model(name, ModelSettings())
    await model.load()
    results = []
    for method, arguments in json.load(sys.stdin):
        if method == "complete":
            prompt = Prompt(messages=[Message("user", arguments.pop("text"))], **arguments)
            results.append(to_plain(await model.complete(prompt)))
        else:
            results.append(to_plain(await getattr(model, method)(**arguments)))
    await model.close()
    assert "torch" not in sys.modules
    assert not [module for module in sys.modules if module.startswith("torch.")]
    print(json.dumps({"small": model.is_small, "context_tokens": model.context_tokens, "said": results}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
