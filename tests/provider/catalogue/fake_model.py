"""Model of a provider in the catalogue: it reasons, then repeats the user's words, or writes JSON of the requested
shape.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.provider.completions import Json, instance, messages

THOUGHT_WORD = "ponder"
"""The only word of all reasoning. An answer must not contain it."""
AFTER_TOOLS = "Mild in both."
"""Answer after the results of tools."""
_DRAFT = '{"draft": true}'
"""Draft of JSON in the reasoning, as real models write it."""
_WORDS = {"type": "string"}
_ANSWER: Json = {"properties": {"found": {"type": "boolean"}, "answer": _WORDS, "quote": _WORDS}}
_LABELS = re.compile(r"labels[^\[\n]*(\[[^\]\n]*\])")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutput:
    """One completion. A word is a token. `cut` is True if the limit of output tokens was reached, possibly within the
    reasoning.
    """

    text: str
    thought: str
    cut: bool
    prompt: int
    calls: tuple[tuple[str, str], ...] = ()
    """Calls of the request's first tool: its name, and the arguments as JSON."""

    @property
    def thinking(self) -> int:
        return len(self.thought.split())

    @property
    def tokens(self) -> int:
        return self.thinking + len(self.text.split()) + 9 * len(self.calls)


def generate(
    body: Json, *, thinks: int, limit: int | None, wrap: str = "{}", follows_formats: bool = True
) -> ModelOutput:
    """Answer a request: first `thinks` reasoning tokens, at most `limit` tokens in all. JSON is put into `wrap`, unless
    the request has a `response_format` and the provider `follows_formats`.
    """
    prompt = "\n".join(str(message.get("content", message.get("output"))) for message in messages(body))
    if name := _first_tool(body):
        return _with_tool(body, name, prompt)
    schema, enforced = _schema(body), follows_formats and _format(body) is not None
    shape = schema or _shape_in_prompt(prompt)
    if shape is not None or enforced:
        text = json.dumps(instance(shape or {"properties": {}}))
        text = text if enforced else wrap.replace("{}", text, 1)
    else:
        text = str(messages(body)[-1]["content"])
    thought = [_DRAFT.replace(" ", ""), *[THOUGHT_WORD] * thinks][:thinks]
    words = re.findall(r"\s*\S+", text)
    room = len(thought) + len(words) if limit is None else limit
    kept = "".join(words[: max(0, room - len(thought))])
    return ModelOutput(
        text=kept,
        thought=" ".join(thought[:room]),
        cut=len(thought) + len(words) > room,
        prompt=len(prompt.split()),
    )


def _first_tool(body: Json) -> str | None:
    """Return the name of the request's first tool, which each API has in another place."""
    tool = next(iter(body.get("tools") or ()), None)
    return tool and str((tool.get("function") or tool)["name"])


def _with_tool(body: Json, name: str, prompt: str) -> ModelOutput:
    """Call the tool twice, or answer after the results."""
    last = json.dumps((body.get("input") or body["messages"])[-1])
    words = len(prompt.split())
    if any(mark in last for mark in ('"role": "tool"', "function_call_output", "tool_result")):
        return ModelOutput(text=AFTER_TOOLS, thought="", cut=False, prompt=words)
    calls = tuple((name, json.dumps({"city": city})) for city in ("Porto", "Faro"))
    return ModelOutput(text="", thought="", cut=False, prompt=words, calls=calls)


def _format(body: Json) -> Any:
    holders = [body.get(name) or {} for name in ("text", "output_config")]
    asked = body.get("response_format") or next((each["format"] for each in holders if "format" in each), None)
    return asked if asked and asked.get("type") != "text" else None


def _schema(body: Json) -> Json | None:
    """Return the schema of the request's format, which each API has in another place."""
    asked = _format(body) or {}
    found: Json | None = asked.get("schema") or (asked.get("json_schema") or {}).get("schema")
    return found


def _shape_in_prompt(prompt: str) -> Json | None:
    """Return the shape that the words of a prompt ask for: a JSON Schema, or the description of a task."""
    for brace in re.finditer(r"\{", prompt):
        try:
            found, _ = json.JSONDecoder().raw_decode(prompt, brace.start())
        except ValueError:
            continue
        if found.get("type") == "object" and "properties" in found:
            return dict(found)
    if "JSON" not in prompt:
        return None
    if labels := _LABELS.search(prompt):
        return {"properties": {label: {"type": "number", "maximum": 1} for label in json.loads(labels[1])}}
    return _ANSWER if '"quote"' in prompt else None
