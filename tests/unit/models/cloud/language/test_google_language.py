"""Google's Cloud Natural Language: sentiment, splitting, usage and refusals."""

import pytest

from carteiro.models.errors import Unavailable, Unsupported
from carteiro.schemas import Usage
from tests.provider.language_services import KEY, LanguageServices
from tests.unit.models.cloud.language.conftest import OpenService


async def test_score_becomes_probabilities(services: LanguageServices, open_service: OpenService) -> None:
    model = open_service("google-language:")
    found = await model.classify("A good evening.")
    assert found.probabilities == pytest.approx({"positive": 0.8667, "negative": 0.0, "neutral": 0.1333}, abs=1e-3)
    assert found.usage == Usage(characters=1000)
    assert services.last.headers["x-goog-api-key"] == KEY
    bad = (await model.classify("An awful evening.")).probabilities
    assert bad["negative"] == pytest.approx(0.7333, abs=1e-3)
    assert (await model.classify("The table.")).probabilities == {"positive": 0.0, "negative": 0.0, "neutral": 1.0}


@pytest.mark.parametrize(("score", "label"), [(0.24, "neutral"), (0.26, "positive"), (-0.26, "negative")])
async def test_neutral_ends_where_google_says(
    services: LanguageServices, open_service: OpenService, score: float, label: str
) -> None:
    services.answer({"documentSentiment": {"score": score}, "languageSupported": True})
    found = (await open_service("google-language:").classify("Hm.")).probabilities
    assert max(found, key=lambda each: found[each]) == label
    assert sum(found.values()) == pytest.approx(1)


async def test_long_text_is_split_by_bytes_and_weighted(services: LanguageServices, open_service: OpenService) -> None:
    text = "É good. " * 60_000 + "É awful. " * 60_000
    found = await open_service("google-language:").classify(text)
    sent = [request.body["document"]["content"] for request in services.requests]
    assert len(sent) == 2
    assert sum(map(len, sent)) == len(text)
    assert 0.3 < found.probabilities["negative"] < 0.45
    assert found.usage.characters == sum(-(-len(each) // 1000) * 1000 for each in sent)


async def test_unsupported_language_is_refused(services: LanguageServices, open_service: OpenService) -> None:
    with pytest.raises(Unsupported, match="'de'") as caught:
        await open_service("google-language:").classify("Gut.")
    assert caught.value.usage == Usage(characters=1000)
    with pytest.raises(Unsupported, match="language sw is not supported"):
        await open_service("google-language:sw").classify("Nzuri.")
    assert services.last.body["document"]["languageCode"] == "sw"


@pytest.mark.parametrize("answer", [{}, {"documentSentiment": {"score": 7}}, {"documentSentiment": {"score": "NaN"}}])
async def test_other_answers_are_failures(
    services: LanguageServices, open_service: OpenService, answer: object
) -> None:
    services.answer(answer)
    with pytest.raises(Unavailable, match="not asked for"):
        await open_service("google-language:").classify("Hm.")


async def test_probe_classifies_one_word(services: LanguageServices, open_service: OpenService) -> None:
    await open_service("google-language:").probe()
    assert services.last.body["document"]["content"] == "good"
