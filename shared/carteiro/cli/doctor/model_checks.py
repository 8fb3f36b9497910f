"""The models, as a worker will find them: is there a credential, do they answer, is the quota used up."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from carteiro.cli.doctor.finding import Finding
from carteiro.models.failures import Misconfigured, ModelFailure, ModelUnusable, QuotaExhausted, RateLimited
from carteiro.models.interface import ChatModel, Message, Model, Prompt, refusal
from carteiro.models.opening import CLOUD, open_model
from carteiro.models.settings import ModelSettings
from carteiro.worker.settings import WorkerSettings, task_models
from carteiro.worker.task import Task

_PROBE = Prompt(messages=[Message("user", "Say yes.")], max_output_tokens=16)


async def check_models(
    tasks: Sequence[Task[Any, Any]], settings: WorkerSettings, model_settings: ModelSettings, *, ask: bool
) -> AsyncIterator[Finding]:
    """One finding for each model that the tasks name. With `ask`, those in a cloud are asked for a word or two."""
    named: dict[str, list[Task[Any, Any]]] = {}
    for task in tasks:
        for name in task_models(task.name, settings, task.default_model):
            named.setdefault(name, []).append(task)
    for name, served in named.items():
        try:
            model = open_model(name, model_settings)
            for task in served:
                if not isinstance(model, task.abilities):
                    raise ModelUnusable(refusal(model, task.name, task.abilities))
            yield await _asked(model) if ask and name.partition(":")[0] in CLOUD else _found(model)
        except ModelUnusable as error:
            advice = f"see docs/models.md; it is to serve {', '.join(task.name for task in served)}"
            yield Finding(f"model {name}", "fault", str(error), advice)


def _found(model: Model) -> Finding:
    kind = "not asked" if model.name.partition(":")[0] in CLOUD else "its files are there; they are not read here"
    return Finding(f"model {model.name}", "ok", kind)


async def _asked(model: Model) -> Finding:
    what, began = f"model {model.name}", time.monotonic()
    assert isinstance(model, ChatModel)
    try:
        await model.load()
        await model.complete(_PROBE)
    except QuotaExhausted as failure:
        return Finding(what, "fault", failure.message, "what was paid for is used up: see the provider's billing page")
    except RateLimited as failure:
        advice = "workers slow down by themselves; a higher limit, or a second model, makes them faster"
        return Finding(what, "warning", failure.message, advice)
    except Misconfigured as failure:
        return Finding(what, "fault", failure.message, "set the key, the model's name, or the address: docs/models.md")
    except ModelFailure as failure:
        return Finding(what, "warning", failure.message, "workers wait for it, and go on by themselves")
    finally:
        await model.close()
    return Finding(what, "ok", f"answered within {time.monotonic() - began:.1f} s")
