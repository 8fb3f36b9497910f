"""Self-hosted engines: vLLM, SGLang, llama.cpp, Ollama, TGI."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.provider.catalogue.behaviour import Behaviour, Refusal, error, event, format_type, kinds, unknown
from tests.provider.catalogue.fake_model import ModelOutput
from tests.provider.completions import Json


def _flat(status: int, message: str, kind: str = "BadRequestError") -> Refusal:
    """Return an error in the form of vLLM until 0.10 and of SGLang (https://github.com/vllm-project/vllm/issues/20409,
    https://github.com/QwenLM/Qwen3/issues/1321).
    """
    return Refusal(status, {"object": "error", "message": message, "type": kind, "param": None, "code": status})


class VLLM(Behaviour):
    """A current version, without a reasoning parser
    (https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html). `<think>` is in the content:
    https://docs.vllm.ai/en/latest/features/reasoning_outputs.html.
    """

    name = "vllm"
    model = "Qwen/Qwen3-8B"
    scheme = "vllm"
    thinks = 250
    shown = "<think>"
    errors = kinds(
        too_large=error(
            400,
            "This model's maximum context length is 16384 tokens. However, you requested 19591 tokens (9591 in the"
            " messages, 10000 in the completion). Please reduce the length of the messages or completion.",
            "BadRequestError",
            400,
        ),
        wrong_key=Refusal(401, {"error": "Unauthorized"}),
        unknown_model=error(404, "The model `qwen9` does not exist.", "NotFoundError", 404),
        overloaded=error(500, "EngineCore encountered an issue.", "InternalServerError", 500),
    )
    stream_errors = kinds(
        overloaded='data: {"error": {"message": "EngineCore encountered an issue.", "type": "InternalServerError",'
        ' "param": null, "code": 500}}\n\ndata: [DONE]\n\n',
    )

    def usage(self, output: ModelOutput) -> Json:
        usage = super().usage(output)
        return {**usage, "prompt_tokens_details": None, "completion_tokens_details": None}

    def message(self, output: ModelOutput) -> Json:
        return {"reasoning_content": None, "refusal": None, "tool_calls": [], **super().message(output)}

    def chunk(self, body: Json, delta: Json, finish_reason: str | None = None) -> Json:
        chunk = super().chunk(body, delta, finish_reason)
        chunk["choices"][0]["stop_reason"] = None
        return {**chunk, "usage": None}


class VLLMR1(VLLM):
    """A template with the opening tag in the prompt, so that the model writes only the closing tag
    (https://huggingface.co/Qwen/Qwen3-4B-Thinking-2507). Its reasoning is short: reasoning that is truncated before the
    closing tag looks like an answer.
    """

    name = "vllm-thinking-2507"
    model = "Qwen/Qwen3-4B-Thinking-2507"
    thinks = 40
    shown = "</think>"


class VLLMGptOss(VLLM):
    """With a reasoning parser."""

    name = "vllm-gpt-oss"
    model = "openai/gpt-oss-20b"
    shown = "reasoning_content"


class OldVLLM(VLLM):
    """Version 0.5, which refuses unknown fields (https://github.com/vllm-project/vllm/issues/10078)."""

    name = "vllm-0.5"
    model = "mistralai/Mistral-7B-Instruct-v0.3"
    thinks = 0
    shown = "hidden"
    limits = ("max_tokens",)
    errors = kinds(
        VLLM.errors,
        too_large=_flat(400, "This model's maximum context length is 2048 tokens. However, you requested 6751 tokens."),
        unknown_model=_flat(404, "The model `qwen9` does not exist.", "NotFoundError"),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        known = "model messages temperature top_p n stream stream_options stop max_tokens seed response_format user"
        wrong: list[Any] = [
            {"type": "extra_forbidden", "loc": ("body", name), "msg": "Extra inputs are not permitted", "input": None}
            for name in unknown(body, known)
        ]
        if format_type(body) == "json_schema":
            expected = "Input should be 'text' or 'json_object'"
            where = ("body", "response_format", "type")
            wrong.append({"type": "literal_error", "loc": where, "msg": expected, "input": "json_schema"})
        return _flat(400, str(wrong)) if wrong else None


class SGLang(VLLM):
    """https://docs.sglang.ai/basic_usage/openai_api_completions.html; too long: https://github.com/QwenLM/Qwen3/issues/1321."""

    name = "sglang"
    scheme = None
    model = "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    shown = "reasoning_content"
    errors = kinds(
        VLLM.errors,
        too_large=_flat(400, "The input (61709 tokens) is longer than the model's context length (40960 tokens)."),
        overloaded=_flat(503, "The request queue is full.", "abort"),
    )

    def chunk(self, body: Json, delta: Json, finish_reason: str | None = None) -> Json:
        chunk = super().chunk(body, {"role": None, "tool_calls": None, **delta}, finish_reason)
        chunk["choices"][0]["matched_stop"] = 151645 if finish_reason else None
        return chunk


class LlamaCpp(Behaviour):
    """https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md; too long: pull request 15780 there."""

    name = "llama.cpp"
    model = "gpt-oss-20b"
    thinks = 250
    shown = "reasoning_content"
    errors = kinds(
        too_large=error(
            400,
            "the request exceeds the available context size. try increasing the context size or enable context shift",
            "exceed_context_size_error",
            400,
            n_prompt_tokens=14429,
            n_ctx=8192,
        ),
        wrong_key=error(401, "Invalid API Key", "authentication_error", 401),
        overloaded=error(503, "Loading model", "unavailable_error", 503),
    )
    stream_errors = kinds(
        too_large='error: {"code":400,"message":"the request exceeds the available context size. try increasing the'
        ' context size or enable context shift","type":"exceed_context_size_error","n_prompt_tokens":14429}\n\n',
    )

    def usage(self, output: ModelOutput) -> Json:
        return {name: count for name, count in super().usage(output).items() if name != "completion_tokens_details"}

    def events(self, body: Json, output: ModelOutput) -> Iterator[str]:
        """The last chunk has timings."""
        *chunks, done = super().events(body, output)
        yield from chunks
        yield event({"choices": [], "timings": {"predicted_per_second": 26.6}})
        yield done


class Ollama(Behaviour):
    """https://docs.ollama.com/openai; errors: https://github.com/netease-youdao/QAnything/issues/555, and, too
    long, https://github.com/badlogic/pi-mono (packages/ai/src/utils/overflow.ts)."""

    name = "ollama"
    model = "llama3.2"
    scheme = "ollama"
    limits = ("max_tokens",)
    errors = kinds(
        too_large=error(400, "prompt too long; exceeded max context length by 4 tokens"),
        unknown_model=error(404, 'model "llama9" not found, try pulling it first', "not_found_error"),
        overloaded=error(503, "server busy, please try again. maximum pending requests exceeded", "api_error"),
    )
    stream_errors = kinds(
        overloaded=event({"error": {"message": "llama runner process has terminated", "type": "api_error"}})
    )

    def usage(self, output: ModelOutput) -> Json:
        return {name: count for name, count in super().usage(output).items() if name != "completion_tokens_details"}

    def deltas(self, output: ModelOutput) -> Iterator[Json]:
        return (
            {"role": "assistant", **delta, "content": delta.get("content") or ""} for delta in super().deltas(output)
        )


class OllamaGptOss(Ollama):
    """Reasoning in `reasoning`; the content is empty if the limit was used up
    (https://github.com/ollama/ollama/issues/15288).
    """

    name = "ollama-gpt-oss"
    model = "gpt-oss:20b"
    thinks = 250
    shown = "reasoning"


class TGI(Behaviour):
    """https://huggingface.co/docs/text-generation-inference. A format is a grammar: `json_object` with a `value`
    (issue 2899 of huggingface/text-generation-inference, and pull request 3276 there).

    Errors: https://github.com/meta-llama/llama/issues/1103; in a stream with 200:
    https://github.com/huggingface/text-generation-inference/issues/2749.
    """

    name = "tgi"
    model = "tgi"
    steps = 3
    wrap = "```json\n{}\n```"
    stop = "eos_token"
    limits = ("max_tokens",)
    errors = kinds(
        rate_limited=Refusal(429, {"error": "Model is overloaded", "error_type": "overloaded"}),
        too_large=Refusal(
            422,
            {
                "error": "Input validation error: `inputs` must have less than 4096 tokens. Given: 4545",
                "error_type": "validation",
            },
        ),
        passing=Refusal(424, {"error": "Request failed during generation: Server error", "error_type": "generation"}),
    )
    stream_errors = kinds(
        too_large=event(
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 1512. Given: 1000",
                "error_type": "validation",
            }
        ),
    )

    def refusal(self, body: Json, request: web.Request) -> Refusal | None:
        wrong = "Failed to deserialize the JSON body into the target type: response_format"
        if format_type(body) == "json_schema":
            return Refusal(422, f"{wrong}.type: unknown variant `json_schema`, expected `json` or `regex`")
        if format_type(body) == "json_object" and "value" not in body["response_format"]:
            return Refusal(422, f"{wrong}: missing field `value` at line 1 column 97")
        return None
