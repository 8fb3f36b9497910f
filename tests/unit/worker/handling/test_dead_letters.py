"""The dead letters of a service."""

from datetime import UTC, datetime, timedelta

from carteiro.wire.dead_letter import read_dead_letter
from carteiro.worker.handling.dead_letters import DeadLetters
from tests.unit.wire.fake_record import FakeRecord
from tests.unit.worker.handling.outcomes import DEAD, RECORD


def test_dead_letter_has_the_request_the_reason_and_the_number_of_tries() -> None:
    built = DeadLetters(DEAD, "carteiro-generate").build(RECORD, "model_unavailable", "it is down", 3)
    letter = read_dead_letter(FakeRecord(built.value, tuple(built.headers), built.key, built.topic))
    assert (letter.topic, letter.key, letter.value) == (DEAD, RECORD.key, RECORD.value)
    assert letter.origin is not None
    assert (letter.origin.topic, letter.origin.offset) == (RECORD.topic, RECORD.offset)
    assert (letter.code, letter.reason, letter.tries) == ("model_unavailable", "it is down", 3)
    assert timedelta(0) <= datetime.now(UTC) - letter.dead_at < timedelta(minutes=1)
    assert dict(built.headers)["kafka_dlt-original-consumer-group"] == b"carteiro-generate"
