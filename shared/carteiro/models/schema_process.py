"""The process that applies callers' schemas: requests on standard input, responses on standard output.

Each message is its length in 4 bytes, big-endian, and JSON. The process fetches nothing, and its patterns take linear
time. A fork handles each request, and the kernel ends it at a limit of CPU time or memory. A thread that takes too long
could not be stopped. The start of another process costs more than most schemas.
"""

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from carteiro.models.errors import InvalidOutput, InvalidPrompt
from carteiro.models.json_output import AmbiguousOutput, parse_json_output
from carteiro.models.schema_limits import MEMORY_BYTES

try:
    from carteiro.models.local.text_generation import json_grammar as _grammar
except ImportError:  # the package comes with local models
    _grammar = None  # type: ignore[assignment]

_PATTERN_BYTES = 2**20
"""Maximum bytes of one compiled pattern."""
_MAX_PATH = 200


def main(requests: BinaryIO, answers: BinaryIO) -> None:
    """Handle requests until there are no more."""
    # Ctrl-C in a terminal also reaches the worker, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while size := requests.read(4):
        request = json.loads(requests.read(int.from_bytes(size, "big")))
        fork = os.fork()
        if fork == 0:
            _send(answers, _handle(**request))
            os._exit(0)
        if os.waitpid(fork, 0)[1] != 0:
            _send(answers, {"overrun": True})


def _send(answers: BinaryIO, answer: dict[str, Any]) -> None:
    message = json.dumps(answer).encode()
    answers.write(len(message).to_bytes(4, "big") + message)
    answers.flush()


def _handle(schema: str, field: str, text: str | None, cpu_seconds: float) -> dict[str, Any]:
    try:
        with _resource_limits(cpu_seconds):
            parsed = json.loads(schema)
            validator = _build_validator(parsed, field)
            if text is not None:
                return {"read": _parse(validator, field, text)}
            _compile_grammar(parsed)
            return {"read": None}
    except InvalidPrompt as error:
        return {"invalid_prompt": error.message}
    except InvalidOutput as error:
        return {"invalid_output": error.message, "detail": error.detail}


@contextlib.contextmanager
def _resource_limits(cpu_seconds: float) -> Iterator[None]:
    """Have the kernel end this process if the code inside takes too much time or memory."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    with contextlib.suppress(ValueError, OSError):  # some systems have no such limit
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY_BYTES, hard))
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


def _build_validator(schema: dict[str, Any], field: str) -> Draft202012Validator:
    patterns = RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    try:
        return Draft202012Validator(schema, offline=True, pattern_options=patterns)
    except ValidationError as error:
        if path := _path(error.instance_path):
            raise InvalidPrompt(f"{field}{path}: is not valid in a JSON Schema") from None
    except Exception:  # noqa: BLE001, S110  # such as a reference without a target
        pass
    raise InvalidPrompt(f"{field}: is no JSON Schema, or refers to something outside itself") from None


def _compile_grammar(schema: dict[str, Any]) -> None:
    """Compile the grammar of a schema, if models of this machine may use it.

    Some schemas, such as those with many patterns for one text, take exponential time. The model itself reports a
    schema that it cannot follow.
    """
    if _grammar is not None:
        with contextlib.suppress(InvalidPrompt):
            _grammar.with_compact_whitespace(schema)


def _parse(validator: Draft202012Validator, field: str, text: str) -> str:
    """Return the text of the only value that follows the schema."""
    try:
        return parse_json_output(text, partial(_validate, validator))[1]
    except _SchemaMismatch as wrong:
        raise InvalidOutput(f"the model's completion does not follow {field} {wrong.message}", wrong.detail) from None
    except AmbiguousOutput:
        raise InvalidOutput(f"the model's completion has more than one value that follows {field}") from None
    except InvalidOutput:
        raise InvalidOutput(f"the model's completion does not follow {field}: it is not JSON") from None


class _SchemaMismatch(InvalidOutput):
    """Data do not follow a schema. The message names the location and the keyword."""


def _validate(validator: Draft202012Validator, data: Any) -> Any:
    try:
        validator.validate(data)
    except ValidationError as error:
        location = _path(error.instance_path).removeprefix(".") or "the root"
        keyword = str(error.schema_path[-1]) if error.schema_path else "false"
        raise _SchemaMismatch(f"at {location} (`{keyword[:_MAX_PATH]}`)", error.message) from None
    return data


def _path(steps: list[str | int]) -> str:
    return "".join(f".{step}" for step in steps)[:_MAX_PATH]


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout.buffer)
