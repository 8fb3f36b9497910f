"""The entry of one call, and the record that holds it: a finished call, or one whose answer is at the provider.

The record's key is the offset of the request's first record and a digest of the prompt: topic and partition are those
of the request. Its value is JSON, or null if the reply is committed.
"""

import asyncio
import hashlib
import json
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carteiro.models.interface import RESPONSE_ID
from carteiro.models.prompt import Prompt
from carteiro.models.prompt_identity import prompt_identity
from carteiro.models.results import Completion
from carteiro.schemas import ServiceTier

MAX_ENTRY_BYTES = 256 * 1024
"""Largest value of an entry. A longer completion is not kept."""
_MAX_BEGUN_BYTES = 2048
_CHARACTERS_PER_TOKEN = 4
_KEY_IN_THREAD_CHARACTERS = 256 * 1024
_KEY = re.compile(rb"(\d{1,19})/[0-9a-f]{32}")


class Entry(BaseModel):
    """A finished call."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    version: Literal[1] = 1
    offset: int
    """Offset of the record for which the call was made: another one than in the key if the request was redriven."""
    completion: Completion


class BegunCall(BaseModel):
    """A call whose answer the provider writes in the background."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    version: Literal[1] = 1
    model: str
    tier: ServiceTier | None
    response_id: str = Field(pattern=f"^{RESPONSE_ID}$")
    """The provider's id of the answer."""


def entry_key(request: int, model: str, prompt: Prompt) -> bytes:
    """Return the key of a call. `request` is the offset of the request's first record."""
    identity = json.dumps(prompt_identity(model, prompt), sort_keys=True)
    return b"%d/%s" % (request, hashlib.sha256(identity.encode()).hexdigest()[:32].encode())


async def compute_key(request: int, model: str, prompt: Prompt) -> bytes:
    """Return the key of a call, as `entry_key` does. A thread computes that of a long prompt."""
    size = sum(len(message.content) + sum(len(each.file.data) for each in message.files) for message in prompt.messages)
    if size < _KEY_IN_THREAD_CHARACTERS:
        return entry_key(request, model, prompt)
    return await asyncio.to_thread(entry_key, request, model, prompt)


def request_of(key: bytes) -> int | None:
    """Return the offset in a key; None if the key is not that of an entry."""
    found = _KEY.fullmatch(key)
    return int(found[1]) if found else None


def encode_entry(entry: Entry) -> bytes | None:
    """Return the value of an entry's record; None if it is too large to be kept, or is no text in UTF-8."""
    try:
        value = entry.model_dump_json().encode()
    except ValueError:
        return None
    return value if len(value) <= MAX_ENTRY_BYTES else None


def read_entry(value: bytes) -> Entry | None:
    """Return the entry in a record's value; None if it is no entry, or a newer version wrote it."""
    if len(value) > MAX_ENTRY_BYTES:
        return None
    try:
        return Entry.model_validate_json(value)
    except ValidationError:
        return None


def read_begun(value: bytes) -> BegunCall | None:
    """Return the call in a record's value that is in the background; None if it is no such call."""
    if len(value) > _MAX_BEGUN_BYTES or b'"response_id"' not in value:
        return None
    try:
        return BegunCall.model_validate_json(value)
    except ValidationError:
        return None


def count_tokens(prompt: Prompt, completion: Completion) -> int:
    """Return the tokens of a call; an estimate if the model did not count them."""
    if counted := completion.usage.input_tokens + completion.usage.output_tokens:
        return counted
    characters = len(completion.text) + sum(len(message.content) for message in prompt.messages)
    return characters // _CHARACTERS_PER_TOKEN
