import pytest

from carteiro.retrieval.words import MAX_CHUNK_WORDS, MAX_QUERY_WORDS, query_words, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The Notice-Period, 30 days.", ["the", "notice", "period", "30", "days"]),
        ("São João, Ærø, ÉTÉ, Straße", ["sao", "joao", "ærø", "ete", "strasse"]),
        ("max_tokens=1e3", ["max", "tokens", "1e3"]),
        ("東京都の人口 is", ["東京", "京都", "都の", "の人", "人口", "is"]),
        ("水", ["水"]),
        ("ภาษาไทย", ["ภา", "าษ", "ษา", "าไ", "ไท", "ทย"]),
        ("한국어 문서", ["한국어", "문서"]),
        ("हिन्दी पाठ", ["हिन्दी", "पाठ"]),
        ("ｆｕｌｌ", ["full"]),
        ("it's", ["it", "s"]),
        ("\x00\ud800 ?!", []),
    ],
)
def test_words_are_without_case_and_accents(text, words):
    assert words_of(text) == words


def test_numbers_of_words_and_their_lengths_are_bounded():
    assert [len(word) for word in words_of("x" * 1000)] == [64]
    assert len(words_of("a b " * MAX_CHUNK_WORDS)) == MAX_CHUNK_WORDS
    assert len(words_of("東" * (MAX_CHUNK_WORDS + 10))) == MAX_CHUNK_WORDS
    assert len(query_words(" ".join(map(str, range(1000))))) == MAX_QUERY_WORDS


def test_words_of_a_query_are_different():
    assert query_words("the notice of The notice") == ["the", "notice", "of"]
