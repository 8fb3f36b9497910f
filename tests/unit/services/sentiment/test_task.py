"""The sentiment task with a chat model."""

import pytest

from carteiro.models.errors import InvalidOutput


async def test_sentiment_scores_sum_to_one(ask, provider):
    done = await ask("sentiment", ['{"calm": 1, "angry": 3}'], text="Grr.", labels=["calm", "angry"])
    assert (done.result.label, done.result.scores) == ("angry", {"calm": 0.25, "angry": 0.75})
    schema = provider.requests[-1].body["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["calm", "angry"]


@pytest.mark.parametrize(
    "output",
    ["{}", '{"calm": "much", "angry": 0}', '{"calm": 0, "angry": 0}', "1", '{"calm": 1e999, "angry": 1}'],
)
async def test_sentiment_without_a_score_for_each_label_is_invalid_output(ask, output):
    with pytest.raises(InvalidOutput):
        await ask("sentiment", [output, output], text="Hm.", labels=["calm", "angry"])
