"""Messages of providers about a prompt that is too long, and messages that are only similar.

From the providers' documentation, their servers' sources, public reports, and the test tables of LiteLLM
(`litellm_core_utils/exception_mapping_utils.py` in BerriAI/litellm) and pi (`packages/ai/src/utils/overflow.ts` in
badlogic/pi-mono).
"""

TOO_LARGE_MESSAGES = [
    # Anthropic
    "prompt is too long: 213462 tokens > 200000 maximum",
    (
        "input length and `max_tokens` exceed context limit: 240000 + 8192 > 200000, decrease input "
        "length or `max_tokens` and try again"
    ),
    "Request exceeds the maximum size",
    # Gemini, Vertex AI
    "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    "The input token count exceeds the maximum number of tokens allowed 1048576.",
    (
        "Unable to submit request because the input token count is 40000 but model only supports up to "
        "32768. Reduce the input token count and try again."
    ),
    "Request payload size exceeds the limit: 20971520 bytes.",
    # Bedrock
    "Input is too long for requested model.",
    ("Malformed input request: expected maxLength: 51200, actual: 60000, please reformat your input and try again."),
    "Malformed input request: #/prompt: expected maxLength: 400000, actual: 500000",
    # OpenAI, as LiteLLM passes it on
    "Validation Error: string too long. expected a string with maximum length 1000.",
    # Cohere
    (
        "too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 5000. Try "
        "using a shorter prompt"
    ),
    "too many tokens: size limit exceeded by 4000 tokens. Try using shorter or fewer inputs.",
    # SGLang
    "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
    (
        "Input length (5000 tokens) exceeds the maximum allowed length (4090 tokens). Use a shorter "
        "input or enable --allow-auto-truncate."
    ),
    (
        "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested "
        "a total of 5000 tokens: 4900 tokens from the input messages and 100 tokens for the completion."
    ),
    # vLLM, OpenAI, Azure, old and new
    (
        "This model's maximum context length is 4096 tokens. However, you requested 5096 tokens in the "
        "messages, Please reduce the length of the messages."
    ),
    (
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 10012 "
        "tokens. Please reduce the length of the messages."
    ),
    (
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096. Make sure "
        "that `max_model_len` is no smaller than the number of text tokens."
    ),
    (
        "This model's maximum context length is 4096 tokens. However, your request has 5000 input "
        "tokens. Please reduce the length of the input messages."
    ),
    (
        "You passed 5001 input tokens and requested 16 output tokens. However, the model's context "
        "length is only 4096 tokens, resulting in a maximum input length of 4080 tokens. Please reduce "
        "the length of the input prompt."
    ),
    # Text Generation Inference, Together, SageMaker
    (
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 "
        "`inputs` tokens and 20 `max_new_tokens`"
    ),
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 5000",
    "Input validation error: inputs must have less than 4096 tokens. Given: 4100",
    # xAI
    "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
    # Kimi
    "Your request exceeded model token limit: 8192 (requested: 9000)",
    "Invalid request: Your request exceeded model token limit: 131072",
    # Ollama
    "input length exceeds maximum context length",
    # llama.cpp
    "the request exceeds the available context size, try increasing it",
    "the request exceeds the available context size (4096 tokens), try increasing it",
    "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "Requested tokens (5000) exceed context window of 2048",
    # Mistral
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    # DeepSeek
    (
        "This model's maximum context length is 131072 tokens. However, you requested 140000 tokens "
        "(140000 in the messages, 0 in the completion). Please reduce the length of the messages or "
        "completion."
    ),
    # DashScope
    "Range of input length should be [1, 30720]",
    "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 6000]",
    # OpenAI, Azure
    (
        "Invalid 'messages[1].content': string too long. Expected a string with maximum length 1048576, "
        "but got a string with length 2000000 instead."
    ),
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    (
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 "
        "tokens. Please reduce the length of the messages."
    ),
    # Cerebras, Groq
    "Please reduce the length of the messages or completion. Current length is 9000 while limit is 8192",
    "Current length is 9000 while limit is 8192",
    "Please reduce the length of the messages or completion.",
    # Perplexity, Fireworks
    "The total length of all messages is too long.",
    "The prompt is too long: 5000, model maximum context length: 4095",
    # LM Studio
    "tokens to keep from the initial prompt is greater than the context length",
    (
        "Trying to keep the first 5000 tokens when context the overflows. However, the model is loaded "
        "with context length of only 4096 tokens, which is not enough."
    ),
    # GitHub Copilot, MiniMax, Hugging Face, NLP Cloud, Aleph Alpha, AI21
    "prompt token count of 140000 exceeds the limit of 128000",
    "invalid params, context window exceeds limit",
    "length limit exceeded",
    "Max text length is 1024 tokens",
    "Input text length should not exceed 2048",
    "This is longer than the model's maximum context length",
    "Prompt has too many tokens",
    # Cloudflare, OpenRouter
    ("The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (8192)."),
    (
        "This endpoint's maximum context length is 32768 tokens. However, you requested about 50000 "
        'tokens (50000 of text input). Please reduce the length of either one, or use the "middle-out" '
        "transform."
    ),
    # gateways
    "litellm.ContextWindowExceededError: ContextWindowExceededError: OpenAIException - context is full",
    (
        "litellm.BadRequestError: AnthropicException - "
        '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 213462 '
        'tokens > 200000 maximum"}}'
    ),
    (
        'litellm.BadRequestError: BedrockException - {"message":"The model returned the following '
        'errors: input is too long"}'
    ),
    (
        "Error code: 400 - {'object': 'error', 'message': \"This model's maximum context length is 4096 "
        "tokens. However, you requested 5096 tokens in the messages\", 'type': 'BadRequestError', "
        "'param': None, 'code': 400}"
    ),
    # others of the same kind
    "Exceeds the model's context",
    "Your message exceeds the maximum length allowed by this model",
    "The maximum input length is 4096 tokens, got 5000",
    "Please reduce your prompt",
    "Please shorten your input and try again",
    "Prompt tokens exceeds the model limit: 5000 > 4096",
    "Total tokens of image and text exceed max message tokens",
    "Prompt 超长",
    "input tokens (5000) must be less than 4096",
    "The number of tokens in the prompt (5000) is greater than the maximum of 4096",
    "Input too long: 5000 tokens, max 4096",
    "Model input cannot exceed 4096 tokens",
    "The request is too large for this model. Max tokens in prompt: 4096",
    "Text too long for model",
    "The message you submitted was too long, please reload the conversation and submit something shorter.",
    "The sequence length 5000 exceeds max_position_embeddings 4096",
    "request body too large",
    "Prompt length exceeds max_prompt_length",
    "Exceeded the maximum number of tokens: 5000 > 4096",
    "This model supports at most 4096 tokens of input, but 5000 were given",
    "Your prompt has 5000 tokens, but the limit is 4096",
    "This model only supports 4096 tokens, you passed 5000",
    "The input does not fit in the model's context",
    "maximum tokens exceeded: 5000 > 4096",
    "token count exceeds limit",
    "context overflow",
    "too many input tokens",
]

OTHER_MESSAGES = [
    "Invalid 'stop': array too long. Expected an array with maximum length 4, but got an array with length 5 instead.",
    "Invalid schema for response_format 'x': The total length of property names exceeds 15000 characters",
    "The maximum number of properties is 100",
    "messages: at least one message is required",
    "Request must contain a user message",
    "Number of stop sequences exceeds the limit of 4",
    "Invalid value: must be less than 2",
    "temperature: must be at most 2",
    "Field required: messages",
    "Assistant message must have content",
    "Input should be a valid string",
    "Last message must be from the user",
]
"""Messages about another thing that is too long, too large or too many."""
