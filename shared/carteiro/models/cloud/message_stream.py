"""Answers of the Messages API that are streamed."""

from typing import Any

from carteiro.models.cloud.completion_builder import FinishKind, classify_finish_reason
from carteiro.models.written_calls import WrittenCall, read_call


class MessageStreamAccumulator:
    """Accumulator of the events of an answer (https://platform.claude.com/docs/en/build-with-claude/streaming)."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._thinking: dict[str, dict[str, list[Any]]] = {}
        """The pieces of the fields of blocks of thinking, by the index of the block."""
        self._calls: dict[str, WrittenCall] = {}
        """Calls of tools, by the index of their block."""
        self._stop_reason: Any = None
        self._usage: dict[str, Any] = {}
        self.finished = False
        """True if the answer is complete."""

    @property
    def may_end(self) -> bool:
        """True if the answer may end here."""
        return self.finished or self._stop_reason is not None

    @property
    def truncated(self) -> bool:
        """True if a limit of tokens ended the answer."""
        return classify_finish_reason(self._stop_reason) is FinishKind.LENGTH

    @property
    def has_reasoning(self) -> bool:
        """True if the reasoning came in a field of its own."""
        return any(any(block.get("thinking", ())) for block in self._thinking.values())

    def add(self, piece: Any) -> str:
        """Return the text that the event adds. An unreadable event adds nothing."""
        if not isinstance(piece, dict):
            return ""
        match piece.get("type"):
            case "message_start":
                self._add_end(_part(piece, "message"))
            case "message":  # The complete answer came in place of a stream.
                self.finished = True
                self._add_end(piece)
                content = piece.get("content")
                blocks = content if isinstance(content, list) else []
                return "".join(self._add_block(each, number) for number, each in enumerate(blocks))
            case "content_block_start":
                return self._add_block(piece.get("content_block"), piece.get("index"))
            case "content_block_delta":
                return self._add_block(piece.get("delta"), piece.get("index"))
            case "message_delta":
                self._add_end({**_part(piece, "delta"), "usage": piece.get("usage")})
            case "message_stop":
                self.finished = True
        return ""

    def _add_block(self, block: Any, index: Any) -> str:
        if not isinstance(block, dict):
            return ""
        if block.get("type") == "tool_use":
            self._calls[str(index)] = read_call(block)
        elif isinstance(more := block.get("partial_json"), str) and (call := self._calls.get(str(index))):
            call.arguments += more
        match block.get("type"):
            case "thinking" | "redacted_thinking":
                self._thinking[str(index)] = {name: [value] for name, value in block.items()}
            case "thinking_delta" | "signature_delta":
                thinking = self._thinking.setdefault(str(index), {"type": ["thinking"]})
                for name in ("thinking", "signature"):
                    if isinstance(more := block.get(name), str):
                        thinking.setdefault(name, []).append(more)
        if isinstance(text := block.get("text"), str):
            self._texts.append(text)
            return text
        return ""

    def _add_end(self, part: dict[str, Any]) -> None:
        """Add the reason of the end and the usage, of which each count is that of the answer so far."""
        self._stop_reason = part.get("stop_reason") or self._stop_reason
        counts = _part(part, "usage")
        self._usage |= {name: count for name, count in counts.items() if count is not None}

    def answer(self) -> Any:
        """Return the answer's JSON, as an answer without streaming would have it."""
        text = [{"type": "text", "text": "".join(self._texts)}] if self._texts else []
        calls = [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
            for call in self._calls.values()
        ]
        return {
            "content": [*map(_whole_block, self._thinking.values()), *text, *calls],
            "stop_reason": self._stop_reason,
            "usage": self._usage,
        }


def _whole_block(pieces: dict[str, list[Any]]) -> dict[str, Any]:
    texts = {name: [each for each in parts if isinstance(each, str)] for name, parts in pieces.items()}
    return {name: "".join(texts[name]) if texts[name] else parts[0] for name, parts in pieces.items()}


def _part(piece: dict[str, Any], name: str) -> dict[str, Any]:
    part = piece.get(name)
    return part if isinstance(part, dict) else {}
