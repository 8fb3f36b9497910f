import psycopg
import pytest

from carteiro.retrieval.stores.postgres.chunks import Vector, words_literal


def test_words_are_read_by_postgres_as_they_are(postgres_url):
    words = ["東京", "straße", "e1234", "the", "a", "the", "हिन्दी"]
    with psycopg.connect(postgres_url) as connection:
        (read,) = connection.execute("SELECT tsvector_to_array(%s::tsvector)", [words_literal(words)]).fetchone()
    assert sorted(read) == sorted(set(words))


def test_index_of_too_many_words_is_cut_to_what_postgres_takes(postgres_url):
    words = [f"{number:06}" + "字" * 58 for number in range(10_000)] + ["again"] * 40_000
    with psycopg.connect(postgres_url) as connection:
        (number,) = connection.execute("SELECT length(%s::tsvector)", [words_literal(words)]).fetchone()
        assert 2000 < number < 10_000
        connection.execute("SELECT %s::tsvector", [words_literal(["again"] * 40_000)])


def test_vector_keeps_its_numbers(postgres_url):
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        (read,) = connection.execute("SELECT %s::vector::real[]", [Vector([1, -0.25, 1e-20])]).fetchone()
    assert read == pytest.approx([1, -0.25, 1e-20], rel=1e-6)
