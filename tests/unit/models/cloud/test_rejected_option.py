"""A refusal names the field of the request that it is about."""

import pytest

from carteiro.models.cloud.errors import failure_in, failure_of_response
from carteiro.models.errors import InvalidPrompt, ModelError, PromptTooLarge, Unsupported
from tests.unit.models.cloud.cloud_models import endpoint

SERVER = endpoint("http://nowhere")

BOTH_TOO_LONG = [
    # OpenAI, DeepSeek; vLLM; Anthropic; TGI
    (
        (
            "This model's maximum context length is 4097 tokens. However, you requested 5000 tokens (1000 in "
            "the messages, 4000 in the completion). Please reduce the length of the messages or completion."
        ),
        "max_tokens",
    ),
    (
        (
            "This model's maximum context length is 4097 tokens, however you requested 5000 tokens (1000 in "
            "your prompt; 4000 for the completion). Please reduce your prompt; or completion length."
        ),
        "max_tokens",
    ),
    (
        (
            "This model's maximum context length is 4096 tokens. However, you requested 50 output tokens and "
            "your prompt contains at least 4047 input tokens, for a total of at least 4097 tokens. Please "
            "reduce the length of the input prompt or the number of requested output tokens."
        ),
        "max_tokens",
    ),
    (
        (
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000, decrease input "
            "length or `max_tokens` and try again"
        ),
        "max_tokens",
    ),
    (
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 1000 `inputs` tokens and 4000 `max_new_tokens`",
        "max_tokens",
    ),
]
"""Messages about a prompt that fits, but not together with the limit of output tokens."""
LIMIT_TOO_HIGH = [
    # OpenAI; vLLM; Anthropic; DeepSeek; Groq
    (
        (
            "max_tokens is too large: 100000. This model supports at most 4096 completion tokens, whereas "
            "you provided 100000."
        ),
        "max_tokens",
    ),
    (
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context length "
            "is 4096 tokens and your request has 1000 input tokens (5000 > 4096 - 1000)."
        ),
        "max_completion_tokens",
    ),
    (
        "max_tokens: 100000 > 8192, which is the maximum allowed number of output tokens for claude-3-5-sonnet",
        "max_tokens",
    ),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "max_tokens"),
    (
        (
            "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less "
            "than the `context_window` for this model"
        ),
        "max_tokens",
    ),
]
REFUSED = [
    # OpenAI, Gemini, DeepSeek, LM Studio, Groq, xAI, LiteLLM, vLLM, SGLang, Mistral
    (
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        "max_tokens",
    ),
    ("Unrecognized request argument supplied: seed", "seed"),
    ('Invalid JSON payload received. Unknown name "stream_options": Cannot find field.', "stream_options"),
    ("Extra inputs are not permitted: stream_options", "stream_options"),
    ("stream_options: Extra inputs are not permitted", "stream_options"),
    (
        "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported.",
        "temperature",
    ),
    (
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "response_format",
    ),
    ("This response_format type is unavailable now", "response_format"),
    (
        (
            "Failed to deserialize the JSON body into the target type: response_format: response_format.type "
            "`json_schema` is unavailable now at line 1 column 100"
        ),
        "response_format",
    ),
    ("'response_format.type' must be 'json_schema' or 'text'", "response_format"),
    ("This model does not support response format `json_schema`. See supported models", "response_format"),
    ("json_schema is not supported by this model", "response_format"),
    ("`temperature` is deprecated for this model.", "temperature"),
    ("unexpected keyword argument 'seed'", "seed"),
    (
        (
            "litellm.UnsupportedParamsError: groq does not support parameters: ['seed'], for model=x. To "
            "drop these, set `litellm.drop_params=True`"
        ),
        "seed",
    ),
    (
        (
            "1 validation error for ChatCompletionRequest\nresponse_format.type\n  Input should be 'text' or "
            "'json_object' [type=literal_error, input_value='json_schema', input_type=str]"
        ),
        "response_format",
    ),
    (
        (
            "[{'type': 'extra_forbidden', 'loc': ('body', 'stream_options'), 'msg': 'Extra inputs are not "
            "permitted', 'input': {'include_usage': True}}]"
        ),
        "stream_options",
    ),
    ("logprobs is not supported", "logprobs"),
    # Ollama, llama.cpp, OpenRouter
    ("registry.ollama.ai/library/gemma:2b does not support tools", "tools"),
    ("tools param requires --jinja flag", "tools"),
    ("No endpoints found that support tool use. To learn more about provider routing, visit the docs", "tools"),
    ("property 'stream_options' is unsupported", "stream_options"),
    ("This model does not support the developer role", "messages"),
    ("Developer instruction is not enabled for models/gemma-3-4b-it", "messages"),
    ("JSON mode is not enabled for models/gemma-3-4b-it", "response_format"),
    ("System role not supported", "messages"),
    ("guided_json is not supported with xgrammar", "response_format"),
    ("Unknown parameter: 'text.format.strict'.", "text"),
    ("Store must be set to false", "store"),
    ("Unsupported parameter: store", "store"),
    (
        (
            "Invalid schema for response_format 'completion': In context=('properties', 'seed'), "
            "'additionalProperties' is required to be supplied and to be false."
        ),
        "response_format",
    ),
    (
        "Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got 3 instead.",
        "temperature",
    ),
    ("Argument not supported on this model: stop", "stop"),
    ("Model grok-4 does not support parameter stop.", "stop"),
    ("Thinking models do not accept temperature", "temperature"),
    ("structured outputs are not supported on this deployment", "response_format"),
    ("strict is not supported", "strict"),
    ('unknown field "strict"', "strict"),
    ("Value error, `max_completion_tokens` is not recognised", "max_completion_tokens"),
]


def failure_for(message: str, **more) -> ModelError:
    return failure_of_response(400, {"error": {"message": message, **more}}, "openai:echo", SERVER)


@pytest.mark.parametrize(("message", "option"), BOTH_TOO_LONG)
def test_limit_that_does_not_fit_next_to_the_prompt_is_named(message: str, option: str) -> None:
    failed = failure_for(message)
    assert type(failed) is PromptTooLarge
    assert failed.option == option


@pytest.mark.parametrize(("message", "option"), LIMIT_TOO_HIGH)
def test_limit_that_is_too_high_for_any_prompt_is_no_long_prompt(message: str, option: str) -> None:
    failed = failure_for(message)
    assert type(failed) is InvalidPrompt
    assert failed.option == option


@pytest.mark.parametrize(("message", "option"), REFUSED)
def test_refused_field_is_named(message: str, option: str) -> None:
    failed = failure_for(message)
    assert isinstance(failed, Unsupported | InvalidPrompt)
    assert failed.option == option


@pytest.mark.parametrize(
    ("param", "option"),
    [
        ("temperature", "temperature"),
        ("response_format.json_schema.schema", "response_format"),
        ("response_format[0]", "response_format"),
        ("text.format", "text"),
        ("messages.[1].content", "messages"),
        ("body.seed", "seed"),
        ("something_else", None),
    ],
)
def test_param_is_the_field_on_top(param: str, option: str | None) -> None:
    assert failure_for("No.", param=param).option == option


@pytest.mark.parametrize(
    "body",
    [
        {
            "detail": [
                {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs are not permitted"}
            ]
        },
        {
            "object": "error",
            "message": {"detail": [{"type": "x", "loc": ["body", "stream_options", "y"], "msg": "No"}]},
        },
    ],
)
def test_validation_error_names_its_field_without_the_input(body) -> None:
    failed = failure_of_response(422, body, "openai:echo", SERVER)
    assert failed.option == "stream_options"


@pytest.mark.parametrize(
    ("request_body", "option"),
    [
        ({"max_tokens": 1}, "max_tokens"),
        ({"max_completion_tokens": 1}, "max_completion_tokens"),
        ({"max_output_tokens": 1}, "max_output_tokens"),
        ({}, "max_tokens"),
    ],
)
def test_limit_is_called_as_in_the_request(request_body, option: str) -> None:
    error = {"message": "max_tokens is too large: 9. This model supports at most 4 completion tokens", "code": 400}
    failed = failure_in({"error": error}, "openai:echo", SERVER, None, request_body)
    assert failed is not None
    assert failed.option == option


def test_json_schema_is_the_text_field_of_responses() -> None:
    request_body = {"text": {"format": {"type": "json_schema"}}}
    failed = failure_of_response(
        400, {"error": "json_schema is not supported"}, "openai:echo", SERVER, None, request_body
    )
    assert failed.option == "text"


def test_no_field_is_made_up() -> None:
    assert failure_for("Something is wrong with your request").option is None
