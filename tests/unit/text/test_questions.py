"""The kind of answer that a question asks for."""

import pytest

from carteiro.text.questions import AnswerType, parse_question


@pytest.mark.parametrize(
    ("text", "expected_type", "heads"),
    [
        ("Who runs the bakery?", AnswerType.PERSON, ()),
        ("Who is the driver of the bus?", AnswerType.PERSON, ("driver",)),
        ("Quem é a dona da livraria?", AnswerType.PERSON, ("dona",)),
        ("What is the name of the new boat?", AnswerType.NAME, ("boat",)),
        ("Where is the warehouse?", AnswerType.PLACE, ()),
        ("Onde fica a livraria?", AnswerType.PLACE, ()),
        ("When is the next meeting?", AnswerType.TIME, ()),
        ("A que horas abre a livraria?", AnswerType.TIME, ("horas",)),
        ("How long does it take?", AnswerType.DURATION, ()),
        ("Quanto tempo demora a obra?", AnswerType.DURATION, ()),
        ("How many audio books are there?", AnswerType.COUNT, ("audio", "books")),
        ("Quantos livros tem a livraria?", AnswerType.COUNT, ("livros",)),
        ("How much does the roof cost?", AnswerType.MONEY, ()),
        ("Quanto custa a pintura?", AnswerType.MONEY, ()),
        ("How wide is the bridge?", AnswerType.MEASURE, ()),
        ("How often does the ferry run?", AnswerType.FREQUENCY, ()),
        ("Why is it closed?", AnswerType.REASON, ()),
        ("Por que a prova foi adiada?", AnswerType.REASON, ()),
        ("What is his e-mail address?", AnswerType.EMAIL, ()),
        ("Qual é o telefone da loja?", AnswerType.PHONE, ("telefone",)),
        ("What colour is the door?", AnswerType.COLOUR, ("colour",)),
        ("Is there a warranty?", AnswerType.YES_NO, ()),
        ("Which browser is affected?", AnswerType.THING, ("browser",)),
    ],
)
def test_kind_of_thing_and_its_word_are_found(text, expected_type, heads):
    question = parse_question(text)
    assert question.answer_type is expected_type
    assert question.heads == heads


def test_significant_words_are_found():
    assert parse_question("How many of the old bikes are left in Évora?").words == ("bikes", "left", "evora")
