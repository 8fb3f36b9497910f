"""The language pairs of a translation model."""

from types import SimpleNamespace
from typing import Any

import pytest

from carteiro.models.errors import Unsupported
from carteiro.models.local.seq2seq.routes import Route, choose_route, find_routes


class MBartTokenizerFast:
    """Tokenizer with a token for each language."""

    def get_added_vocab(self) -> dict[str, int]:
        return {"en_XX": 7, "de_DE": 8, "<mask>": 9}


def marian(codes: list[str], source: str | None = None, target: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(supported_language_codes=codes, source_lang=source, target_lang=target, get_added_vocab=dict)


def config(model_type: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(model_type=model_type, **fields)


def test_t5_has_the_pairs_of_its_configuration() -> None:
    specific = {"translation_en_to_de": {"prefix": "to German: ", "num_beams": 2}, "summarization": {"prefix": "s"}}
    tokenizer = SimpleNamespace(get_added_vocab=dict)
    assert find_routes(config("t5", task_specific_params=specific), tokenizer, "t5") == [
        Route("en", "de", prefix="to German: ", parameters={"num_beams": 2})
    ]


@pytest.mark.parametrize(
    ("tokenizer", "location", "expected"),
    [
        (marian([], "en", "de"), "x", [Route("en", "de")]),
        (marian([]), "/models/opus-mt-en-de", [Route("en", "de")]),
        (marian([">>por<<", ">>unk0<<"], "en"), "x", [Route("en", "por", prefix=">>por<< ")]),
        (marian([], "ROMANCE", "en"), "x", [Route(None, "en")]),
        (marian([]), "x", []),
    ],
)
def test_marian_has_one_pair_or_a_code_for_each_target(
    tokenizer: SimpleNamespace, location: str, expected: list[Route]
) -> None:
    assert find_routes(config("marian"), tokenizer, location) == expected


def test_mbart_has_a_route_for_each_language_token() -> None:
    routes = find_routes(config("mbart", decoder_start_token_id=2), MBartTokenizerFast(), "x")
    assert [(route.target, route.parameters) for route in routes] == [
        ("de_DE", {"decoder_start_token_id": 8}),
        ("en_XX", {"decoder_start_token_id": 7}),
    ]
    only = find_routes(config("mbart", decoder_start_token_id=8), MBartTokenizerFast(), "x")
    assert [route.target for route in only] == ["de_DE"]


def test_route_of_a_model_with_language_tokens_has_the_code_of_the_source() -> None:
    routes = [Route(None, code, sources=["en_XX", "de_DE"]) for code in ("en_XX", "de_DE")]
    chosen = choose_route("local:x", routes, "en-GB", "de")
    assert (chosen.target, chosen.source, chosen.source_code) == ("de_DE", "en_XX", "en_XX")


@pytest.mark.parametrize(
    ("routes", "source", "target", "message"),
    [
        ([Route("en", "de")], "en", "fr", "does not translate into fr, but into de"),
        ([Route("en", "de")], "fr", "de", "does not translate from fr into de, but from en"),
        ([Route("en", "de"), Route("fr", "de")], None, "de", "does not recognise the text's language"),
        ([Route(None, "de_DE", sources=["de_DE"])], None, "de", "does not recognise the text's language"),
        ([Route(None, "de_DE", sources=["de_DE"])], "fr", "de", "does not translate from fr, but from de"),
    ],
)
def test_missing_pair_is_unsupported_and_the_others_are_named(
    routes: list[Route], source: str | None, target: str, message: str
) -> None:
    with pytest.raises(Unsupported, match=message):
        choose_route("local:x", routes, source, target)


def test_source_is_optional_if_there_is_one_pair() -> None:
    assert choose_route("local:x", [Route("en", "de")], None, "de-AT") == Route("en", "de")
