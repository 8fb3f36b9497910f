"""Asks a model of an engine in a process in which torch cannot be imported.

`python -m tests.unit.models.engines.without_torch NAME` reads calls from standard input, as JSON: a method and its
arguments. It writes what they return, and what the model says of itself.
"""

import asyncio
import dataclasses
import json
import sys
from typing import Any

sys.modules["torch"] = None  # type: ignore[assignment]


def plain(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return dict(value) if hasattr(value, "keys") else value


async def main(name: str) -> None:
    from carteiro.models.interface import Message, Prompt
    from carteiro.models.opening import open_model
    from carteiro.models.settings import ModelSettings

    model: Any = open_model(name, ModelSettings())
    await model.load()
    said = []
    for method, given in json.load(sys.stdin):
        if method == "complete":
            prompt = Prompt(messages=[Message("user", given.pop("text"))], **given)
            said.append(plain(await model.complete(prompt)))
        else:
            said.append(plain(await getattr(model, method)(**given)))
    await model.close()
    assert sys.modules["torch"] is None
    assert not [module for module in sys.modules if module.startswith("torch.")]
    print(json.dumps({"small": model.small, "context_tokens": model.context_tokens, "said": said}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
