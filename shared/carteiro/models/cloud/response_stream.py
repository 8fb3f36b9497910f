"""Answers of the Responses API that are streamed."""

from typing import Any

from carteiro.models.cloud.message_content import read_parts
from carteiro.models.cloud.responses import FINAL_STATUSES, output_content


class ResponseStreamAccumulator:
    """Accumulator of the events of an answer (https://platform.openai.com/docs/api-reference/responses-streaming)."""

    def __init__(self) -> None:
        self._response: dict[str, Any] = {}
        self._texts: list[str] = []
        self._reasonings: list[str] = []
        self._refusals: list[str] = []
        self._calls: list[Any] = []
        """Complete items `function_call`, which the end of the answer repeats."""
        self._streamed_parts: set[str] = set()
        """Parts of the output that were streamed in pieces. They come once more, complete."""
        self.may_end = False
        """True if the answer may end here."""
        self.finished = False
        """True if the answer is complete."""

    @property
    def truncated(self) -> bool:
        """True if a limit of tokens ended the answer."""
        return self._response.get("status") == "incomplete"

    @property
    def has_reasoning(self) -> bool:
        """True if the reasoning came in a field of its own."""
        return bool(self._reasonings)

    def add(self, piece: Any) -> str:
        """Return the text that the event adds. An unreadable event adds nothing."""
        if not isinstance(piece, dict):
            return ""
        kind = piece["type"] if isinstance(piece.get("type"), str) else ""
        if kind == "error":
            self._finish({"status": "failed", "error": piece.get("error") or piece})
        elif isinstance(response := piece.get("response"), dict):
            # The first events show the response at its start, the last events at its end.
            status = kind.removeprefix("response.")
            return self._update_response({"status": status} | response if status in FINAL_STATUSES else response)
        elif isinstance(piece.get("output"), list):  # The complete answer came in place of a stream.
            return self._finish(piece)
        elif kind.startswith("response."):
            return self._add_part(kind, piece)
        return ""

    def _update_response(self, response: dict[str, Any]) -> str:
        if response.get("status") in FINAL_STATUSES:
            return self._finish(response)
        if not self.finished:
            self._response = response
        return ""

    def _finish(self, response: dict[str, Any]) -> str:
        """Record the answer at its end. Return its text if it was not streamed."""
        self._response, self.may_end, self.finished = response, True, True
        if self._texts or response.get("status") in ("failed", "cancelled"):
            return ""
        output, whole = response.get("output"), response.get("output_text")
        content, _ = output_content(output if isinstance(output, list) else [])
        text = content.text if content.text is not None else whole if isinstance(whole, str) else ""
        self._texts += [text] if text else []
        return text

    def _add_part(self, kind: str, piece: dict[str, Any]) -> str:
        if kind == "response.output_item.done":
            item = piece.get("item")
            self._calls += [item] if isinstance(item, dict) and item.get("type") == "function_call" else []
            return ""
        key = f"{piece.get('output_index')}/{piece.get('content_index')}/{'refusal' in kind}/{'reasoning' in kind}"
        if kind.endswith(".delta"):
            more = read_parts(piece.get("delta")).text or ""
        elif kind.endswith(("_text.done", ".refusal.done")):
            whole = piece.get("text") if piece.get("text") is not None else piece.get("refusal")
            more = "" if key in self._streamed_parts else read_parts(whole).text or ""
            self.may_end = self.may_end or kind == "response.output_text.done"
        else:
            return ""
        if more:
            self._streamed_parts.add(key)
        if "reasoning" in kind:
            self._reasonings.append(more)
        elif "refusal" in kind:
            self._refusals.append(more)
        elif "output_text" in kind:
            self._texts.append(more)
            return more
        return ""

    def answer(self) -> Any:
        """Return the answer's JSON, as an answer without streaming would have it. Use the pieces if its end has no
        text.
        """
        output = self._response.get("output")
        output = output if isinstance(output, list) else []
        content, _ = output_content(output)
        if content.text is None and self._texts:
            output = [*output, _item("message", "output_text", "text", self._texts)]
        if not content.refusal and any(self._refusals):
            output = [*output, _item("message", "refusal", "refusal", self._refusals)]
        if not content.reasoning and self.has_reasoning:
            output = [*output, _item("reasoning", "reasoning_text", "text", self._reasonings)]
        if not content.tool_calls:
            output = [*output, *self._calls]
        return {**self._response, "output": output}


def _item(kind: str, part: str, name: str, texts: list[str]) -> dict[str, Any]:
    return {"type": kind, "content": [{"type": part, name: "".join(texts)}]}
