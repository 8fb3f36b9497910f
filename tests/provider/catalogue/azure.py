"""Azure OpenAI (https://learn.microsoft.com/azure/ai-foundry/openai/reference).

A deployment's name does not tell the model. Chunks about the prompt's filters come first:
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/content-filters. Old versions of the API:
https://github.com/Azure/azure-sdk-for-net/issues/46579 (json_schema),
https://github.com/jamesrochabrun/SwiftOpenAI/issues/67 (stream_options).
"""

from collections.abc import Iterator

from aiohttp import web

from tests.provider.azure import AZURE
from tests.provider.catalogue.behaviour import Refusal, error, format_type, kinds, unknown
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.catalogue.openai import CHAT_FIELDS, OpenAI, refused_by_reasoning
from tests.provider.completions import Json

_SAFE = {name: {"filtered": False, "severity": "safe"} for name in ("hate", "self_harm", "sexual", "violence")}
_FILTERS = [{"prompt_index": 0, "content_filter_results": {**_SAFE, "jailbreak": {"filtered": False}}}]


class Azure(OpenAI):
    """The v1 API."""

    name = "azure"
    model = "my-deployment"
    errors = kinds(
        rate_limited=Refusal(*AZURE["rate"], waits=6.5),
        unpaid=Refusal(*AZURE["unpaid"]),
        too_large=Refusal(*AZURE["too-long"]),
        filtered=Refusal(*AZURE["content-filter"]),
        wrong_key=Refusal(*AZURE["wrong-key"]),
        unknown_model=Refusal(*AZURE["no-deployment"]),
        overloaded=Refusal(*AZURE["overloaded"]),
    )

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        return f"azure:{self.model}", {"AZURE_OPENAI_ENDPOINT": root, "AZURE_OPENAI_API_KEY": "played"}

    def whole(self, body: Json, output: ModelOutput) -> Json:
        answer = super().whole(body, output)
        answer["choices"][0]["content_filter_results"] = _SAFE
        return {**answer, "prompt_filter_results": _FILTERS}

    def pieces(self, body: Json, output: ModelOutput) -> Iterator[Json]:
        first = {"id": "", "object": "", "created": 0, "model": ""}
        yield {**first, "choices": [], "prompt_filter_results": _FILTERS}
        yield from super().pieces(body, output)
        yield {**first, "choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {"start_offset": 0}}]}


class AzureReasoning(Azure):
    """A deployment of a reasoning model."""

    name = "azure-gpt-5"
    thinks = 250

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        return refused_by_reasoning(body) or super().refusal(body, request)


class AzureOld(Azure):
    """A dated version without JSON schemas, usage in streams, and the new name of the limit."""

    name = "azure-2024-06-01"
    limits = ("max_tokens",)

    def settings(self, root: str) -> tuple[str, dict[str, str]]:
        model, settings = super().settings(root)
        return model, {**settings, "OPENAI_API_VERSION": "2024-06-01"}

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        later = ("stream_options", "max_completion_tokens", "store", "metadata", "reasoning_effort")
        if extra := unknown(body, " ".join(set(CHAT_FIELDS.split()).difference(later))):
            return error(400, f"Unknown parameter: '{extra[0]}'.", code="unknown_parameter", param=extra[0])
        if format_type(body) == "json_schema":
            wrong = "response_format value as json_schema is enabled only for api versions 2024-08-01-preview and later"
            return error(400, wrong, None, "BadRequest")
        return super().refusal(body, request)
