import pytest

from carteiro.registry.errors import SchemaRejected
from carteiro.registry.subjects import SubjectStrategy


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("TopicNameStrategy", "enriched-value"),
        ("RecordNameStrategy", "shop.Review"),
        ("io.confluent.kafka.serializers.subject.TopicRecordNameStrategy", "enriched-shop.Review"),
    ],
)
def test_subject_follows_the_strategy(name: str, subject: str) -> None:
    assert SubjectStrategy(name).subject("enriched", "shop.Review") == subject


def test_schema_without_a_name_is_rejected_if_the_subject_needs_one() -> None:
    assert SubjectStrategy.TOPIC.subject("enriched", None) == "enriched-value"
    with pytest.raises(SchemaRejected, match="RecordNameStrategy needs a record's name"):
        SubjectStrategy.RECORD.subject("enriched", None)


def test_unknown_strategy_is_no_strategy() -> None:
    with pytest.raises(ValueError, match="OtherStrategy"):
        SubjectStrategy("OtherStrategy")
