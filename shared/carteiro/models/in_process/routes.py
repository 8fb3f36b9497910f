"""Which languages a translation model knows, and how it is told which to take."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from carteiro.models.failures import Unsupported
from carteiro.models.in_process.languages import is_code, nearest, tag_of

_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
_PREFIXED = re.compile(r">>(.+)<<")
_SPECIFIC = re.compile(r"translation_(.+)_to_(.+)")
_PAIR = re.compile(r"opus-mt-([a-z]{2,3})-([a-z]{2,3})$")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Route:
    """From one language to another: what stands before the text, and how the model is told the languages.

    `source` and `target` are the model's own codes, and `source` is None where the model takes any. `parameters` are
    the model's own for this route, as `generate` takes them; the token that names the target is among them, where the
    model has such tokens. Its tokenizer then has to be told the source too: `source_code`, one of `sources`.
    """

    source: str | None
    target: str
    prefix: str = ""
    source_code: str | None = None
    sources: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def routes_of(config: Any, tokenizer: Any, location: str) -> list[Route]:
    """The routes of a model: T5's prefixes by its configuration, Marian's pair or target codes, or the language codes
    of NLLB, M2M100 and mBART, each of which stands for a target. Empty where nothing names the languages.
    """
    codes = _codes(tokenizer)
    if specific := _of_tasks(config, codes):
        return specific
    if config.model_type == "marian":
        return _of_marian(tokenizer, location)
    if config.model_type == "fsmt":
        source, target = tokenizer.src_lang, tokenizer.tgt_lang
        return [Route(source, target)] if source and target else []
    told, targets = "forced_bos_token_id", codes
    if type(tokenizer).__name__.startswith("MBartTokenizer"):
        # The first mBART begins with the target's code; all later models begin as ever, and write the code first. Where
        # the configuration names the beginning, it is of one target only.
        told, start = "decoder_start_token_id", config.decoder_start_token_id
        targets = {code: number for code, number in codes.items() if number == start} or codes
    return [Route(None, code, sources=list(codes), parameters={told: number}) for code, number in targets.items()]


def choose_route(name: str, routes: Sequence[Route], source: str | None, target: str) -> Route:
    """The route between two BCP 47 tags, with `source_code` where the model wants it. Raises `Unsupported`."""
    end = nearest(target, [route.target for route in routes])
    there = [route for route in routes if route.target == end]
    if not there:
        raise Unsupported(f"{name} does not translate into {target}, but into {_list({r.target for r in routes})}")
    if known := there[0].sources:
        begin = nearest(source, known) if source else None
        if source is None:
            raise Unsupported(f"{name} does not recognise the text's language: say it, as `source`")
        if begin is None:
            raise Unsupported(f"{name} does not translate from {source}, but from {_list(set(known))}")
        return replace(there[0], source=begin, source_code=begin)
    if source is None:
        if len(there) > 1:
            raise Unsupported(f"{name} does not recognise the text's language: say it, as `source`")
        return there[0]
    begin = nearest(source, [route.source for route in there if route.source])
    for route in there:
        if route.source is None or route.source == begin:
            return route
    raise Unsupported(
        f"{name} does not translate from {source} into {target}, but from {_list({str(r.source) for r in there})}"
    )


def _codes(tokenizer: Any) -> dict[str, int]:
    """The tokens that stand for languages, by the model's own codes."""
    if getattr(tokenizer, "lang_code_to_token", None):  # M2M100
        return {code: tokenizer.get_lang_id(code) for code in tokenizer.lang_code_to_token}
    added = sorted(tokenizer.get_added_vocab().items())
    return {code: number for code, number in added if _CODE.fullmatch(code) and is_code(code)}


def _of_tasks(config: Any, codes: Mapping[str, int]) -> list[Route]:
    found = []
    for task, parameters in (getattr(config, "task_specific_params", None) or {}).items():
        if pair := _SPECIFIC.fullmatch(task):
            rest = {name: value for name, value in parameters.items() if name != "prefix"}
            prefix, code = parameters.get("prefix", ""), nearest(pair[1], codes)
            found.append(Route(pair[1], pair[2], prefix=prefix, source_code=code, parameters=rest))
    return found


def _of_marian(tokenizer: Any, location: str) -> list[Route]:
    named = _PAIR.search(location)
    source = tokenizer.source_lang or (named and named[1])
    # A group of languages (ROMANCE, mul) is none that a request could name.
    source = source if source and is_code(source) and source != "mul" else None
    codes = [(code, _PREFIXED.fullmatch(code)) for code in tokenizer.supported_language_codes]
    several = [Route(source, match[1], prefix=f"{code} ") for code, match in codes if match and is_code(match[1])]
    target = tokenizer.target_lang or (named and named[2])
    return several or ([Route(source, target)] if target and is_code(target) else [])


def _list(codes: set[str]) -> str:
    tags = sorted({tag_of(code) for code in codes})
    return ", ".join(tags[:_SHOWN]) + (f" and {len(tags) - _SHOWN} more" if len(tags) > _SHOWN else "")
