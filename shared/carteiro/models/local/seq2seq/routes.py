"""The language pairs of a translation model, and the prefix or parameters that select each pair."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from carteiro.models.errors import Unsupported
from carteiro.models.local.seq2seq.languages import is_language_code, match_language, to_language_tag

_LANGUAGE_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
_MARIAN_TARGET_CODE = re.compile(r">>(.+)<<")
_TRANSLATION_TASK = re.compile(r"translation_(.+)_to_(.+)")
_OPUS_MT_PAIR = re.compile(r"opus-mt-([a-z]{2,3})-([a-z]{2,3})$")
_MAX_LISTED = 12


@dataclass(frozen=True, slots=True)
class Route:
    """One language pair, and the settings that select it.

    `source` and `target` are the model's own codes; `source` is None if the model accepts any. `prefix` is put before
    the text. `parameters` are arguments of `generate`, with the token of the target language if the model has language
    tokens. The tokenizer of such a model also needs the source: `source_code`, one of `sources`.
    """

    source: str | None
    target: str
    prefix: str = ""
    source_code: str | None = None
    sources: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def find_routes(config: Any, tokenizer: Any, location: str) -> list[Route]:
    """Return the routes of a model; an empty list if no file names its languages.

    They are the prefixes in a T5's configuration, the pair or the target codes of Marian, or a route for each language
    code of NLLB, M2M100 and mBART.
    """
    codes = _language_token_ids(tokenizer)
    if specific := _task_routes(config, codes):
        return specific
    if config.model_type == "marian":
        return _marian_routes(tokenizer, location)
    if config.model_type == "fsmt":
        source, target = tokenizer.src_lang, tokenizer.tgt_lang
        return [Route(source, target)] if source and target else []
    parameter, targets = "forced_bos_token_id", codes
    if type(tokenizer).__name__.startswith("MBartTokenizer"):
        # The decoder of the first mBART starts with the target's code. Later models start as usual and write the code
        # first. If the configuration sets the start token, the model has only this one target.
        parameter, start = "decoder_start_token_id", config.decoder_start_token_id
        targets = {code: number for code, number in codes.items() if number == start} or codes
    return [Route(None, code, sources=list(codes), parameters={parameter: number}) for code, number in targets.items()]


def choose_route(name: str, routes: Sequence[Route], source: str | None, target: str) -> Route:
    """Return the route between two BCP 47 tags, with `source_code` if the model needs it.

    Raise `Unsupported` if the model does not have the pair, or if it needs a source and `source` is None.
    """
    end = match_language(target, [route.target for route in routes])
    candidates = [route for route in routes if route.target == end]
    if not candidates:
        raise Unsupported(
            f"{name} does not translate into {target}, but into {_format_languages({r.target for r in routes})}"
        )
    if known := candidates[0].sources:
        begin = match_language(source, known) if source else None
        if source is None:
            raise Unsupported(f"{name} does not recognise the text's language: say it, as `source`")
        if begin is None:
            raise Unsupported(f"{name} does not translate from {source}, but from {_format_languages(set(known))}")
        return replace(candidates[0], source=begin, source_code=begin)
    if source is None:
        if len(candidates) > 1:
            raise Unsupported(f"{name} does not recognise the text's language: say it, as `source`")
        return candidates[0]
    begin = match_language(source, [route.source for route in candidates if route.source])
    for route in candidates:
        if route.source is None or route.source == begin:
            return route
    raise Unsupported(
        f"{name} does not translate from {source} into {target}, "
        f"but from {_format_languages({str(r.source) for r in candidates})}"
    )


def _language_token_ids(tokenizer: Any) -> dict[str, int]:
    """Return the ids of the language tokens, by the model's own codes."""
    if getattr(tokenizer, "lang_code_to_token", None):  # M2M100
        return {code: tokenizer.get_lang_id(code) for code in tokenizer.lang_code_to_token}
    added = sorted(tokenizer.get_added_vocab().items())
    return {code: number for code, number in added if _LANGUAGE_CODE.fullmatch(code) and is_language_code(code)}


def _task_routes(config: Any, codes: Mapping[str, int]) -> list[Route]:
    found = []
    for task, parameters in (getattr(config, "task_specific_params", None) or {}).items():
        if pair := _TRANSLATION_TASK.fullmatch(task):
            rest = {name: value for name, value in parameters.items() if name != "prefix"}
            prefix, code = parameters.get("prefix", ""), match_language(pair[1], codes)
            found.append(Route(pair[1], pair[2], prefix=prefix, source_code=code, parameters=rest))
    return found


def _marian_routes(tokenizer: Any, location: str) -> list[Route]:
    match_pair = _OPUS_MT_PAIR.search(location)
    source = tokenizer.source_lang or (match_pair and match_pair[1])
    # A request cannot name a group of languages (ROMANCE, mul).
    source = source if source and is_language_code(source) and source != "mul" else None
    codes = [(code, _MARIAN_TARGET_CODE.fullmatch(code)) for code in tokenizer.supported_language_codes]
    several = [
        Route(source, match[1], prefix=f"{code} ") for code, match in codes if match and is_language_code(match[1])
    ]
    target = tokenizer.target_lang or (match_pair and match_pair[2])
    return several or ([Route(source, target)] if target and is_language_code(target) else [])


def _format_languages(codes: set[str]) -> str:
    tags = sorted({to_language_tag(code) for code in codes})
    return ", ".join(tags[:_MAX_LISTED]) + (f" and {len(tags) - _MAX_LISTED} more" if len(tags) > _MAX_LISTED else "")
