"""JSON in the text that models put around it."""

from carteiro.models.json_output import add_schema_instruction, schema_instruction
from carteiro.models.prompt import Message

SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "of": {"type": "array"}},
    "required": ["n"],
    "additionalProperties": False,
}


def test_schema_in_words_ends_the_systems_or_the_users_first_message():
    words = schema_instruction(SCHEMA)
    system, user, assistant = Message("system", "s"), Message("user", "u"), Message("assistant", "a")
    assert add_schema_instruction([system, user], SCHEMA) == [Message("system", f"s\n\n{words}"), user]
    assert add_schema_instruction([user, assistant, user], SCHEMA) == [
        Message("user", f"u\n\n{words}"),
        assistant,
        user,
    ]
    assert add_schema_instruction([assistant], SCHEMA) == [Message("user", words), assistant]
