"""Answers of models that take no images, files or sounds, or none so large: status and body, or the message in OpenAI's
shape.
"""

# ruff: noqa: E501  # messages on one line, as they are sent

from typing import Any

from tests.unit.models.cloud.error_bodies import error

UNSUPPORTED: dict[str, tuple[int, Any]] = {
    # https://github.com/zou-group/textgrad/issues/210; Azure has the same words.
    "openai": (400, error("Invalid content type. image_url is only supported by certain models.", param="messages.[1].content.[0].type")),
    # https://github.com/openai/openai-dotnet/issues/393
    "openai-file": (400, error("Invalid value: 'file'. Supported values are: 'text', 'image_url', 'input_audio', 'refusal', and 'audio'.", code="invalid_value", param="messages[3].content[0].type")),
    # https://github.com/QwenLM/qwen-code/pull/1838
    "dashscope": (400, error("Invalid value: file. Supported values are: 'text','image_url','video_url' and 'video'.")),
    # https://github.com/rikkahub/rikkahub/issues/1433
    "deepseek": (400, error("Failed to deserialize the JSON body into the target type: messages[1]: unknown variant `image_url`, expected `text` at line 1 column 679289", code="invalid_request_error")),
    # https://github.com/anomalyco/opencode/issues/47994
    "volcengine": (400, error("Model do not support image input. Request id: 02178888")),
    # https://github.com/vercel/ai/issues/2837
    "groq": (400, error("'messages.0' : for 'role:user' the following must be satisfied[('messages.0.content' : value must be a string)]")),
    "groq-old": (400, error("message[0].content must be a string")),
    # https://github.com/nexu-io/nexu/issues/733
    "openrouter": (404, {"error": {"message": "No endpoints found that support image input", "code": 404}}),
    # https://github.com/danny-avila/LibreChat/issues/6333
    "openrouter-raw": (400, {"error": {"code": 400, "message": "Provider returned error", "metadata": {"provider_name": "OpenAI", "raw": '{"error": {"message": "Invalid content type. image_url is only supported by certain models.", "type": "invalid_request_error"}}'}}}),
    # https://github.com/ollama/ollama/issues/17301, and its older versions
    "ollama": (400, error("this model does not support image input (ref: b8bd630e)")),
    "ollama-old": (500, error("this model is missing data required for image input")),
    # https://github.com/ggml-org/llama.cpp/issues/15377, 13566, 12947
    "llama.cpp": (500, error("image input is not supported - hint: if this is unexpected, you may need to provide the mmproj", "server_error")),
    "llama.cpp-old": (500, error("image input is not supported by this server", "server_error")),
    "llama.cpp-parse": (500, error('Failed to parse messages: Unsupported content part type: "image_url"; messages = []', "server_error")),
    # https://github.com/vllm-project/vllm/issues/23402, and `MultiModalConfig` in vllm-project/vllm
    "vllm": (400, error("/models/qwen3 is not a multimodal model None", "BadRequestError")),
    "vllm-none": (400, error("At most 0 image(s) may be provided in one prompt.", "BadRequestError")),
    # https://github.com/thinking-machines-lab/tinker-feedback/issues/83
    "fastapi": (422, {"detail": [{"loc": ["body", "messages", 0, "content"], "msg": "Input should be a valid string", "type": "string_type"}]}),
    # https://github.com/google-gemini/deprecated-generative-ai-js/issues/201
    "gemini": (400, {"error": {"code": 400, "message": "Unsupported MIME type: application/pdf", "status": "INVALID_ARGUMENT"}}),
    "gemini-modality": (400, {"error": {"code": 400, "message": "Image input modality is not enabled for models/gemma-3-1b-it", "status": "INVALID_ARGUMENT"}}),
    "anthropic": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "'claude-2.1' does not support image input."}}),
    "bedrock": (400, {"message": "This model doesn't support the image content block that you provided."}),
    "lm-studio": (400, error("Model does not support images. Please use a model that does.")),
    "xai": (400, {"code": "Client specified an invalid argument", "error": "Image inputs are not supported by this model."}),
}  # fmt: skip

TOO_LARGE: dict[str, tuple[int, Any]] = {
    # https://github.com/anthropics/claude-code/issues/4778
    "pixels": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.7.content.2.image.source.base64.data: At least one of the image dimensions exceed max allowed size: 8000 pixels"}}),
    "bytes": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.0.content.1.image.source.base64: image exceeds 5 MB maximum: 6104640 bytes > 5242880 bytes"}}),
    "pages": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.0.content.0.pdf.source.base64.data: A maximum of 100 PDF pages may be provided."}}),
    "images": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Too many images and documents: 101 + 0 > 100"}}),
    "vllm": (400, error("At most 2 image(s) may be provided in one prompt.", "BadRequestError")),
}  # fmt: skip

OTHER: dict[str, tuple[int, Any]] = {
    "broken": (400, {"type": "error", "error": {"type": "invalid_request_error", "message": "Could not process image"}}),
    "broken-gemini": (400, {"error": {"code": 400, "message": "Unable to process input image. Please retry or report.", "status": "INVALID_ARGUMENT"}}),
}  # fmt: skip
