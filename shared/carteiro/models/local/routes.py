"""Which languages a translation model knows, and how it is told which to take."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carteiro.models.failures import Unsupported
from carteiro.models.local.languages import is_code, nearest, tag_of

_CODE = re.compile(r"[a-z]{2,3}_[A-Z][A-Za-z]{1,3}")
_PREFIXED = re.compile(r">>(.+)<<")
_SPECIFIC = re.compile(r"translation_(.+)_to_(.+)")
_PAIR = re.compile(r"opus-mt-([a-z]{2,3})-([a-z]{2,3})$")
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Route:
    """From one language to another: what stands before the text, and how the model is told the languages.

    `source` and `target` are the model's own codes, and `source` is None where the model takes any. `parameters` are
    the model's own for this route, as `generate` takes them. `source_code` is set on the tokenizer; `first_token`
    begins the translation.
    """

    source: str | None
    target: str
    prefix: str = ""
    source_code: str | None = None
    first_token: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


def routes_of(config: Any, tokenizer: Any, location: str) -> list[Route]:
    """The routes of a model: T5's prefixes by its configuration, Marian's pair or target codes, or the language codes
    of NLLB, M2M100 and mBART, each of which stands for a target. Empty where nothing names the languages.
    """
    if specific := _of_prefixes(config):
        return specific
    if config.model_type == "marian":
        return _of_marian(tokenizer, location)
    if config.model_type == "fsmt":
        source, target = tokenizer.src_lang, tokenizer.tgt_lang
        return [Route(source, target)] if source and target else []
    if getattr(tokenizer, "lang_code_to_token", None):  # M2M100
        return [Route(None, code, first_token=tokenizer.get_lang_id(code)) for code in tokenizer.lang_code_to_token]
    codes = {code: number for code, number in tokenizer.get_added_vocab().items() if _CODE.fullmatch(code)}
    return [Route(None, code, first_token=number) for code, number in sorted(codes.items()) if is_code(code)]


def choose_route(name: str, routes: Sequence[Route], source: str | None, target: str) -> Route:
    """The route between two BCP 47 tags, with `source_code` where the model wants it. Raises `Unsupported`."""
    end = nearest(target, [route.target for route in routes])
    there = [route for route in routes if route.target == end]
    if not there:
        raise Unsupported(f"{name} does not translate into {target}, but into {_list({r.target for r in routes})}")
    if there[0].source is None and there[0].first_token is not None:
        begin = nearest(source, [route.target for route in routes]) if source else None
        if source is None:
            raise Unsupported(f"{name} does not recognise the text's language: say it, as `source`")
        if begin is None:
            raise Unsupported(f"{name} does not translate from {source}, but from {_list({r.target for r in routes})}")
        return Route(begin, there[0].target, source_code=begin, first_token=there[0].first_token)
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


def _of_prefixes(config: Any) -> list[Route]:
    found = []
    for task, parameters in (getattr(config, "task_specific_params", None) or {}).items():
        if pair := _SPECIFIC.fullmatch(task):
            rest = {name: value for name, value in parameters.items() if name != "prefix"}
            found.append(Route(pair[1], pair[2], prefix=parameters.get("prefix", ""), parameters=rest))
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
