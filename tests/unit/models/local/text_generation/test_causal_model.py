"""Completions and rankings of an engine whose tokens are the letters of a text."""

import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
import pytest_asyncio

from carteiro.models.errors import InvalidPrompt, PromptTooLarge, Unsupported
from carteiro.models.interface import ChatModel, RankingModel, StreamingModel
from carteiro.models.local.text_generation.causal_model import TokenCausalModel
from carteiro.models.local.text_generation.chat_template import TemplateRejection
from carteiro.models.local.text_generation.token_sequence import TokenSequence
from carteiro.models.prompt import Message, PlacedFile, Prompt, RawToolCall, ToolDefinition
from carteiro.models.results import Ranking
from carteiro.schemas import Usage
from carteiro.schemas.media_file import read_media
from tests import media


class ScriptedModel(TokenCausalModel):
    """Engine that writes one text."""

    _has_template, _special_tokens, _end_tokens = True, ("|",), [ord("|")]
    opening = ""
    written = "Lisbon|"

    def _load_weights(self) -> None:
        self.context_tokens = 40

    def count_tokens(self, text: str) -> int:
        return len(text)

    def _render(
        self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], variables: Mapping[str, object]
    ) -> str:
        self.variables = variables
        if messages[-1]["role"] == "system":
            raise TemplateRejection("no user")
        return "".join(each["content"] + "|" for each in messages) + str(tools or "") + self.opening

    def _tokenize(self, text: str, *, is_rendered: bool) -> list[int]:
        return [ord(each) for each in (text if is_rendered else f"{text}|")]

    def _decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(chr, tokens)).replace("|", "")

    async def _write(self, sequence: TokenSequence, _: Prompt) -> None:
        def write(_: threading.Event) -> None:
            for letter in self.written:
                if not sequence.is_finished:
                    sequence.append(ord(letter))

        await self._on_thread(write)

    async def _rank(self, prefix: Sequence[int], sequences: Sequence[Sequence[int]]) -> Ranking:
        return Ranking([float(len(prefix) - len(each)) for each in sequences], Usage())


@pytest_asyncio.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    scripted = ScriptedModel("local:x", "x", 60)
    await scripted.load()
    yield scripted
    await scripted.close()


def prompt(text: str = "Where?", **options: object) -> Prompt:
    return Prompt(messages=[Message("user", text)], **options)  # type: ignore[arg-type]


async def test_model_chats_streams_and_ranks(model: ScriptedModel) -> None:
    assert all(isinstance(model, ability) for ability in (ChatModel, StreamingModel, RankingModel))
    pieces: list[str] = []
    done = await model.complete(prompt())
    assert (done.text, done.finish_reason) == ("Lisbon", "stop")
    assert (done.usage.input_tokens, done.usage.output_tokens) == (len("Where?|"), len("Lisbon|"))
    assert await model.stream(prompt(), pieces.append) == done
    assert "".join(pieces) == "Lisbon"
    assert len(pieces) > 1


@pytest.mark.parametrize(
    ("effort", "variables"),
    [
        (None, {}),
        ("none", {"enable_thinking": False, "thinking": False}),
        ("low", {"enable_thinking": True, "thinking": True, "reasoning_effort": "low"}),
    ],
)
async def test_template_gets_the_amount_of_thinking(
    model: ScriptedModel, effort: str | None, variables: dict[str, object]
) -> None:
    await model.complete(prompt(reasoning=effort))
    assert model.variables == variables


async def test_limit_and_stop_text_end_the_completion(model: ScriptedModel) -> None:
    cut = await model.complete(prompt(max_output_tokens=3))
    assert (cut.text, cut.finish_reason, cut.usage.output_tokens) == ("Lis", "length", 3)
    stopped = await model.complete(prompt(stop=["bo"]))
    assert (stopped.text, stopped.finish_reason, stopped.usage.output_tokens) == ("Lis", "stop", 5)


async def test_special_tokens_of_the_caller_are_escaped(model: ScriptedModel) -> None:
    done = await model.complete(prompt("a|b"))
    assert done.usage.input_tokens == len("a| b|")


async def test_reasoning_that_the_template_opens_is_apart(model: ScriptedModel) -> None:
    model.opening, model.written = "<think>", "hm</think>Lisbon|"
    done = await model.complete(prompt())
    assert (done.text, done.reasoning) == ("Lisbon", "hm")


async def test_base_model_gets_no_template_and_no_end_token(model: ScriptedModel) -> None:
    model._has_template = False
    assert (await model.complete(prompt())).usage.input_tokens == len("Where?")


async def test_rejected_messages_are_an_invalid_prompt(model: ScriptedModel) -> None:
    with pytest.raises(InvalidPrompt, match="local:x does not take these messages: no user"):
        await model.complete(Prompt(messages=[Message("system", "a")]))


async def test_schema_needs_an_engine_that_follows_it(model: ScriptedModel) -> None:
    model._follows_schemas = False
    with pytest.raises(Unsupported, match="cannot follow a json_schema"):
        await model.complete(prompt(json_schema={"type": "object"}))


async def test_images_are_refused(model: ScriptedModel) -> None:
    seen = Message("user", "Hi", (PlacedFile(read_media(media.PNG), 0),))
    with pytest.raises(Unsupported, match=r"^local:x takes no images$"):
        await model.complete(Prompt(messages=[seen]))


async def test_prompt_that_leaves_no_room_is_too_large(model: ScriptedModel) -> None:
    assert (await model.complete(prompt("a" * 38))).usage.output_tokens == 1
    with pytest.raises(PromptTooLarge, match="has 40 tokens; local:x reads 40, its completion included"):
        await model.complete(prompt("a" * 39))
    with pytest.raises(PromptTooLarge, match="has 41 tokens"):
        await model.rank("a" * 40, ["b"])


async def test_text_and_continuations_are_ranked_without_end_tokens(model: ScriptedModel) -> None:
    assert (await model.rank("ab", ["c", "cde"])).log_probabilities == [-1.0, -3.0]


@pytest.mark.parametrize(
    ("small", "schema", "expected"), [(True, None, 128), (True, {"type": "object"}, 512), (False, None, 512)]
)
async def test_small_model_writes_less_unless_it_follows_a_schema(
    model: ScriptedModel, small: bool, schema: dict[str, str] | None, expected: int
) -> None:
    model.context_tokens, model.is_small, model.written = 5000, small, "ab" * 1000
    assert (await model.complete(prompt(json_schema=schema))).usage.output_tokens == expected
    assert (await model.complete(prompt(json_schema=schema, max_output_tokens=700))).usage.output_tokens == 700


async def test_calls_of_tools_are_apart_and_not_streamed(model: ScriptedModel) -> None:
    model._calls_tools, model.context_tokens = True, 1000
    model.written = 'Wait. <tool_call>{"name": "clock", "arguments": {"zone": "UTC"}}</tool_call>|'
    pieces: list[str] = []
    done = await model.stream(prompt(tools=[ToolDefinition("clock")]), pieces.append)
    assert ("".join(pieces), done.text, done.finish_reason) == ("Wait.", "Wait.", "tool_calls")
    assert [(each.name, each.arguments) for each in done.tool_calls] == [("clock", '{"zone": "UTC"}')]


@pytest.mark.parametrize(
    "given",
    [
        prompt(tools=[ToolDefinition("clock")]),
        Prompt(
            messages=[Message("assistant", "", tool_calls=(RawToolCall("1", "clock", "{}"),)), Message("tool", "12:00")]
        ),
    ],
)
async def test_template_without_tools_is_unsupported(model: ScriptedModel, given: Prompt) -> None:
    with pytest.raises(Unsupported, match="cannot call tools: take a model"):
        await model.complete(given)
