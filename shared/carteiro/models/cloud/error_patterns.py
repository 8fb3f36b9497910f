"""The codes and the wordings of providers' errors. Both are matched in lower case.

Codes are matched whole. Wordings are searched for in the provider's own words without quotations, so field names are in
them without quotes. A wording names the kind of fault and not one provider's sentence.
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


_INPUT = (
    r"(?:prompts?|inputs?|input_ids|requests?|messages?|contexts?|contents?|texts?|conversation|sequence|query|documents?"
    r"|chat)"
)
_OUTPUT_LIMIT = r"max(?:imum)?_(?:completion_|output_|new_)?tokens"

TOO_LARGE = re.compile(
    r"context_length_exceeded|string_above_max_length|exceed_context_size_error|request_too_large|string_too_long"
    r"|token_limit_exceeded|model_context_window_exceeded|contextwindowexceedederror|payload_too_large|1261"
)
"""OpenAI twice; llama.cpp; Anthropic; OpenRouter twice; Anthropic; LiteLLM; Zhipu."""
TOO_LARGE_WORDS = _any(
    r"context[ _-]?(?:length|window|size|limit)",
    r"context the overflows",  # LM Studio
    r"\bcontext (?:overflow\w*|space|is full)|\bkv cache\b[^\n]{0,30}\bprompt",
    r"(?:\bnot|n't) fit (?:in|into|within) (?:the |this )?(?:model|context)",
    r"\b(?:input|prompt|total|text|max|maximum|number of) tokens? (?:was |is )?(?:exceeded|\(?\d+\)? ?>)",
    r"\btoken (?:count|capacity)\b[^.\n]{0,20}\bexceed|\bexceed\w*\b[^.\n]{0,40}\btoken (?:count|capacity)",
    r"\bmaximum supported (?:sequence|length)|\bmax(?:imum)? length of (?:the )?(?:input|prompt)|\btoo much text\b",
    r"n_ctx\b",
    rf"\b{_INPUT}\b[^.\n]{{0,60}}?\b(?:too|to) (?:long|large|big)\b",
    r"\btoo many (?:input |prompt |total )?tokens\b",
    rf"\b{_INPUT}\b[^.\n]{{0,60}}\b(?:limit|maximum|max) (?:is|of) \d",
    r"\bsupports? (?:only )?(?:at most |up to |a maximum of |no more than )?\d[\d,]* (?:input |prompt )?tokens",
    r"\btoo large for (?:the |this )?model\b",
    r"\blonger than the (?:model|maximum|limit)",
    rf"\b(?:reduce|shorten|decrease|truncate|trim)\b[^.\n]{{0,40}}\b{_INPUT}\b",
    rf"\b(?:{_INPUT}|total|number of)\b[^.\n]{{0,60}}\b(?:tokens?|length|count|size|characters)\b[^\n]{{0,60}}?"
    r"\b(?:exceed\w*|surpass\w*|over|above|beyond|longer|greater|larger|more) (?:than )?[^.\n]{0,60}?"
    r"(?:limit|maximum|max\b|allowed|length|\d)",
    rf"\b{_INPUT}\b[^.\n]{{0,60}}\b(?:tokens?|length|size|characters)\b[^.\n]{{0,40}}"
    r"\b(?:must|should|may|can)(?:n't| ?not)? (?:be|have|exceed)\b[^\d\n]{0,40}\d",
    rf"\b{_INPUT}\b[^.\n]{{0,60}}\b(?:cannot|can't|must not|may not|should not) exceed\b",
    rf"\b{_INPUT}\b[^.\n]{{0,20}}\bmust (?:have|be|contain)\b[^.\n]{{0,30}}\b(?:less|fewer|shorter|at most|no more|<)"
    r"[^\n]{0,30}tokens",
    r"\b(?:exceed\w*|surpass\w*|(?:longer|greater|larger|more) than|above|over)\b[^.\n]{0,60}"
    r"\b(?:context|(?:input|prompt|model|sequence|maximum)(?:'s)? (?:token )?(?:length|limit|size)|token limit"
    r"|max(?:imum)? (?:number of )?(?:input|prompt|model|sequence|total)? ?(?:tokens|length))",
    r"\bmax(?:imum)?[ _]?(?:allowed )?(?:prompt|input|sequence|seq|text|request|message|model)[ _]?(?:token )?"
    r"(?:len(?:gth)?|size|limit|count|tokens)\b",
    rf"(?:\+|and) {_OUTPUT_LIMIT}[^.\n]{{0,20}}(?:must|exceed|cannot)",  # TGI, Anthropic
    r"range of input length should be",  # DashScope
    r"expected max_?length",  # Bedrock
    r"expected a string with maximum length",  # OpenAI
    r"length limit (?:is )?exceeded",  # Hugging Face
    r"text length (?:is|should not exceed)",  # NLP Cloud
    r"payload size exceeds",  # Gemini
    r"\b(?:request|payload|entity|body)\b[^.\n]{0,20} too large|request exceeds the maximum",
    r"current length is \d+ while (?:the )?limit is",  # Cerebras
    r"token limit (?:is |was )?exceeded|exceed\w* (?:the )?(?:\w+ ){0,2}token limit|tokens limit exceeded",
    r"超长|过长|超(?:过|出)[^\n]{0,12}(?:上下文|长度|token)",  # Zhipu, Baidu
)
OUTPUT_LIMIT_WORDS = _any(
    rf"(?<!\+ )(?<!and )(?<!/ )\b{_OUTPUT_LIMIT}\b\W{{0,3}}(?:or {_OUTPUT_LIMIT} )?(?:\(?-?\d+\)? )?(?:value )?"
    r"(?:is |are |was )?(?:too (?:large|big|high|small|low)|must|cannot|can't|should|exceeds?|greater|larger|\d+ >"
    r"|invalid|out of range|input should|at most|above|below|minimum|maximum)",
    rf"(?:invalid|supported range|valid range|range)[^.\n]{{0,30}}\b{_OUTPUT_LIMIT}\b",
    r"at most \d+ (?:completion|output) tokens",
)
"""The limit of output tokens is wrong, whatever the prompt is."""
_NUMBER = r"(\d[\d,]*)"
CONTEXT_TOKENS = _any(
    rf"context (?:length|window|size|limit)[^.\d\n]{{0,40}}{_NUMBER}(?! ?\+)",
    rf"(?:<=|>|at most|maximum(?: of)?|limit(?: is)?) ?{_NUMBER}",
)
PROMPT_TOKENS = _any(
    rf"{_NUMBER}(?: tokens?)? (?:in|from|of) (?:the |your )?(?:messages|prompt|input|text)",
    rf"(?:prompt|request|messages?|inputs?) (?:contains?|has|have|with|resulted in)(?: at least)? {_NUMBER}",
    rf"{_NUMBER} (?:tokens? )?(?:input|prompt|text|inputs)(?: tokens?|\b)",
    rf"{_NUMBER} \+ \d+",
)
COMPLETION_WORDS = _any(rf"\bcompletion\b|\boutput\b|{_OUTPUT_LIMIT}|\d \+ \d")

FILTERED = re.compile(
    r"content_filter\w*|content_policy\w*|contentpolicyviolationerror|invalid_prompt|responsibleaipolicyviolation"
    r"|bio_policy|cyber_policy\w*|data_?inspection_?failed|content_?moderation\w*|moderation\w*|safety|recitation|blocklist"
    r"|prohibited_content|spii|\w*sensitivecontent\w*|guardrail\w*|censorship_blocked|1301|1026|1027|content_blocked"
    r"|\w*flagged\w*"
)
"""OpenAI, Azure, LiteLLM, DashScope, Gemini, Volcengine, Bedrock, StepFun, Zhipu, MiniMax."""
FILTERED_WORDS = _any(
    r"\bcontent[ -](?:management|filter\w*|moderation|safety|usage)[ -](?:policy|policies|system|rules)",
    r"\b(?:by|triggered|due to|violat\w+) (?:\w+ ){0,4}content filter\w*",
    r"\bcontent (?:policy|exists risk)",  # DeepSeek
    r"\bsafety (?:system|filters?|polic\w+|settings|reasons|guidelines)",
    r"\b(?:considered|be|is) (?:of )?high risk",  # Kimi
    r"\binappropriate content",  # DashScope
    r"\bdata[ _]inspection",
    r"\b(?:was|were|been|is) flagged\b|\bflagged (?:for|as|by)\b",  # OpenRouter
    r"\bblocked (?:by|due to|because of)\b[^.\n]{0,40}"
    r"\b(?:content|safety|guardrails?|moderation|prohibited|polic\w+|filters?)",
    r"\bguardrails?\b[^.\n]{0,30}\b(?:intervened|blocked|violat\w+|triggered|failed)|violated guardrail",
    r"\bprohibited (?:content|use)",
    r"\b(?:sensitive|unsafe|harmful|prohibited) (?:content|information|words|material)",
    r"\bviolat\w+\b[^.\n]{0,40}\b(?:polic(?:y|ies)|guidelines|terms)",
    r"\b(?:response|prompt|output|input|request) was blocked\b",
    r"\bfiltered due to|\bcontent filter (?:was )?triggered|\bcontent (?:was |is )?blocked|\bmoderation: flagged",
    r"\bnsfw\b|\bjailbreak",
    r"敏感|不安全|违规",
)

QUOTA_EXHAUSTED = re.compile(
    r"insufficient_(?:quota|balance|credits?|funds)|billing_\w+|credit_limit\w*|exceeded_current_quota_error|arrearage"
    r"|accountoverdueerror|\w*budget_?exceeded\w*|exceeded_?budget|out_of_credits|payment_required|spend_limit\w*|1113|1008"
)
"""OpenAI, Together, Moonshot, DashScope, Volcengine, LiteLLM, OpenRouter, Groq, Zhipu, MiniMax."""
QUOTA_EXHAUSTED_WORDS = _any(
    r"credit balance is too low",  # Anthropic
    r"insufficient[ _](?:account )?(?:balance|credits?|funds|quota)",
    r"\b(?:out of|ha(?:s|ve) no|not enough|all available|used all|run out of|exhausted|monthly(?: included)?) credits",
    r"doesn't have any credits",  # xAI
    r"credits? (?:limit |balance )?(?:is |are |has been |have been )?"
    r"(?:exceeded|exhausted|depleted|used up|insufficient)",
    r"\b(?:purchase|buy) (?:more )?credits|\badd (?:more )?(?:credits|funds)",
    r"\bbilling (?:hard limit|is not active|not active|account)|enable billing|\bbilling has not been",
    r"\b(?:spend|spending|payment|usage) limits?\b[^.\n]{0,20}\b(?:reached|exceeded)",
    r"\breach(?:ed|ing) (?:your|its|the|their) (?:\w+ )?(?:spend\w*|api usage|usage) limits?",  # Anthropic, Groq, xAI
    r"\bpayment required|\bunpaid invoices?|\baccount is (?:in arrears|overdue)|\barrears\b",
    r"\bbalance (?:is )?(?:insufficient|not enough|too low|exhausted)|\btop up\b|\bno (?:remaining|more) credits",
    r"\bsubscription (?:has |is )?expired|\bfree (?:tier|quota|trial)\b[^.\n]{0,20}\b(?:exhausted|used up|expired)",
    r"\bbudget has been exceeded",  # LiteLLM
    r"\bkey limit exceeded",  # OpenRouter
    r"余额不足|欠费",  # Zhipu
)
PLAN_WORDS = _any("exceeded your current quota", "check your plan and billing")
"""OpenAI's words for an empty account, but Gemini's for every rate limit."""
TOO_EXPENSIVE = re.compile(r"weight_exceeds_budget")
TOO_EXPENSIVE_WORDS = _any(
    r"\bfewer max_tokens|\bcan only afford|\brequires more credits",  # OpenRouter
    r"\b(?:end[ _-]?user|customer)\b[^\n]{0,60}\bbudget|\bbudget\b[^\n]{0,60}\b(?:end[ _-]?user|customer)\b",  # LiteLLM
    r"\bthis request\b[^.\n]{0,60}\b(?:budget|cost limit|price)",
)
"""The price of one request, or the budget of one user of a gateway; not the account."""
PROMPT_TOO_EXPENSIVE_WORDS = re.compile(r"prompt tokens limit exceeded")
"""OpenRouter's 402 for a prompt that is longer than the account can pay for."""
AFFORDABLE_TOKENS = re.compile(r"can only afford (-?\d+)")

RATE_LIMITED = re.compile(
    r"(?:model_)?rate_?limit\w*|too_?many_?requests\w*|throttl[\w.-]*|overloaded_error|engine_overloaded\w*"
    r"|resource_?exhausted|quota_?exceeded|requests_?limit\w*|requestlimitexceeded|limit_burst_rate|(?:model_)?capacity_exceeded"
    r"|\w*throughputexceeded\w*|servicequotaexceeded\w*|over_rate_limit|1302|1303|1305|1002|1039|3505|1300"
)
"""OpenAI, Together, Anthropic, AWS, Moonshot, Google, Volcengine, DashScope, Zhipu, MiniMax, Mistral."""
RATE_LIMITED_WORDS = _any(
    r"\brate[ _-]limit(?:s|ed)?\b(?!s? (?:header|param))",
    r"\btoo many (?:concurrent |api )?requests|\brequests? too (?:frequent|fast)|\bthrottl\w+",
    r"\bservice tier capacity exceeded",  # Mistral
    r"\b(?:try|retry)\b[^.\n\d]{0,20}\b(?:in|after) \d",  # Groq, Azure, Gemini
    r"\bquota exceeded for|\bresource (?:has been |is )?exhausted",  # Google
    r"\bplease wait before trying again|\bwait \d+",  # Bedrock
    r"\btrial key\b[^\n]{0,40}\blimited to",  # Cohere
    r"\bper (?:second|minute|hour|day)\b[^.\n]{0,30}\blimit|\blimit\b[^.\n]{0,30}\bper (?:second|minute|hour|day)",
    r"\b(?:tpm|rpm|rpd|tpd|concurrency) (?:limit|quota)|\bslow down\b",
    r"请求(?:过于)?频繁|速率限制",
)
ABOVE_RATE_LIMIT_WORDS = _any(r"\brequest (?:is )?too large\b", r"\blong context (?:requests|beta)\b")
REQUESTED_OF_LIMIT = re.compile(r"limit:? (\d+)[^\n]{0,40}?requested:? (\d+)")
"""OpenAI, Groq."""

INVALID_CREDENTIAL = re.compile(
    r"(?:invalid|incorrect|wrong|missing|expired|no)_api_?key|api_key_invalid|invalid_?authentication\w*|authentication_error"
    r"|authenticationerror|unauthenticated|unauthorized|invalid_token|expired_?token\w*|api_?key_?expired|invalidapikey"
    r"|unrecognizedclientexception|incomplete_?signature\w*|invalid_?signature\w*|invalid_grant"
)
INVALID_CREDENTIAL_WORDS = re.compile(
    r"^\W*(?:(?:the|your|an?|no) )?(?:(?:incorrect|invalid|wrong|missing|expired|unauthorized)"
    r" (?:\w+ )?(?:api|subscription|access|authentication) ?(?:key|token)"
    r"|(?:provided )?api[ -]key (?:is |has )?(?:not valid|invalid|incorrect|expired|missing|not found)"
    r"|security token included in the request is (?:expired|invalid)|request signature we calculated does not match"
    r"|signature expired)\b",
    re.MULTILINE,
)
"""Only at the beginning of a message: anywhere else the words may be about a thing that the caller named so."""
PERMISSION_DENIED = re.compile(
    r"failed_precondition|permission_?error|permission_?denied|permissiondeniederror|accessdenied\w*|account_deactivated"
    r"|organization_\w*(?:disabled|restricted)|unsupported_country_region_territory|service_disabled|consumer_suspended"
)
PERMISSION_DENIED_WORDS = _any(
    r"\b(?:organization|account|project|user)\b[^.\n]{0,20}\b(?:disabled|deactivated|suspended|terminated)",
    r"^user location is not supported",
)
MODEL_NOT_FOUND = re.compile(
    r"model_?not_?found|model_not_(?:available|supported)|modelnotopen|model_decommissioned|not_found_error|deploymentnotfound|invalid_model\w*|resourcenotfound\w*|notfounderror"
)
MODEL_NOT_FOUND_WORDS = _any(
    r"\bmodels?\b[^.\n]{0,30}\b(?:does not exist|not exist|not found|is not found|decommissioned|is not a valid model)",
    r"\bmodel \S+ (?:has been|is|was) (?:deprecated|retired|removed|shut down)",
    r"\bmodel is no longer (?:available|supported)",
    r"\bmodel\b[^.\n]{0,30}\b(?:not supported by any provider|not available in (?:your|this) (?:region|country))",
    r"\bmodel identifier is invalid|\bon-demand throughput",  # Bedrock
    r"\bdoes not support (?:chat|generate)\W*$|\bno models? (?:is |are )?loaded",  # Ollama, LM Studio
    r"\bapi[ -]version\b|\bsent to https port",  # Azure; nginx
    r"\binvalid model name|\bunknown model\b|\bno such model|\bis not a valid model(?: id)?\b|^invalid model\b",
)
NO_ROUTE_WORDS = _any(
    r"no (?:endpoints|providers?|allowed providers)\b(?![^\n]*\bdata policy)[^\n]{0,60}"
    r"\b(?:support|handle|match|parameters)"
)
"""OpenRouter's 404 for options that no provider of the model takes."""
WRONG_API = re.compile(r"operationnotsupported|unsupported_api_for_model")
"""Azure."""
WRONG_API_WORDS = re.compile(r"v1/(?:responses|completions|chat/completions)")
"""OpenAI: "only supported in v1/responses"."""
_FILE = (
    r"(?:images?|vision|multi-?modal(?:ity)?|pdfs?|documents?|files?|audios?|attachments?|image_url|input_(?:image|audio|file)"
    r"|content[ _](?:part |block )?types?|mime types?)"
)
FILE_WORDS = _any(r"\bimages?\b|\bimage_url\b|\baudio\b|\bvision\b|\bmulti-?modal\b|\bpdfs?\b")
"""Words that say that a request had an image, a file or a sound, if the request is not known."""
UNSUPPORTED_FILE_WORDS = _any(
    rf"\b{_FILE}\b[^.\n]{{0,40}}\b(?:only supported|(?:not|n't) (?:currently |yet )?(?:be )?"
    r"(?:support\w*|enabled|allowed|available|accepted|permitted|configured))",
    rf"(?:\bnot?|n't) (?:currently |yet )?(?:support|accept|take|handle|have)\w*\b[^.\n]{{0,40}}\b{_FILE}\b",
    rf"\b(?:unsupported|invalid|unknown) (?:\w+ )?{_FILE}(?! (?:data|url|format|size|dimensions?|file))\b",
    r"\bno endpoints found that support (?:image|audio|file)",  # OpenRouter
    r"\bnot (?:a )?(?:multi-?modal|vision)\b|\bmmproj\b",  # vLLM, llama.cpp
    r"\bat most 0 \w+\(s\)|\bmissing data required for image",  # vLLM, Ollama
    r"\bunknown variant [^\n]{0,40}expected text|\bsequence, expected a string",  # DeepSeek, Hugging Face
    r"\bcontent\b[^\n]{0,40}\b(?:must|should) be an? (?:valid )?string|\binput should be (?:a valid string|text)",
    r"\bsupported values are\b",  # OpenAI, DashScope
)
"""Words of a model that takes no images, no files or no sounds, about a request that has some."""
FILE_TOO_LARGE_WORDS = _any(
    rf"\b{_FILE}\b[^\n]{{0,80}}\bexceed\w*\b[^\n]{{0,60}}\b(?:max(?:imum)?|limit|allowed|size|[km]b|bytes|pixels|pages)\b",
    rf"\b{_FILE}\b[^.\n]{{0,40}}\b(?:too (?:large|big|long|many)|larger than)\b|\btoo (?:many|large) {_FILE}\b",
    rf"\b(?:at most|maximum of|up to) [1-9]\d* (?:pdf |image )?(?:pages|{_FILE})\b",
)
"""Words about an image or a file of too many bytes, pixels or pages, or about too many of them."""
INVALID_OUTPUT = re.compile(
    r"json_validate_failed|output_parse_failed|tool_use_failed|jsonschemavalidationerror|model_error"
)
INVALID_OUTPUT_WORDS = _any(
    r"\bfailed to (?:generate|validate|parse)\b[^.\n]{0,20}\bjson",  # Groq
    r"\bgenerated json\b|\bmodel (?:produced|generated|output) (?:is )?invalid",
)
BLOCKED_PAGE_WORDS = re.compile(
    "attention required|just a moment|you have been blocked|request could not be satisfied|request blocked"
)
"""Titles of a firewall's page, which a text in the prompt may have caused: Cloudflare, CloudFront."""

UNSUPPORTED = re.compile(
    r"unsupported_(?:parameter|value|feature|model_parameter)|unknown_parameter|extra_forbidden|unsupportedparamserror"
    r"|value_error\.extra|unrecognized_parameter"
)
UNSUPPORTED_WORDS = _any(
    r"\b(?:not|n't) (?:currently |yet |be )?(?:support|permitted|available|implemented|enabled|accept|allow|take)",
    r"\bunsupported\b|\bis unavailable (?:now|for)\b|\bdeprecated\b|\bnot recogni[sz]ed\b",
    r"\bresponse_format\S* (?:must|should) be\b|\binput should be text\b",
    r"\b(?:unknown|unrecognized|unexpected|extraneous) (?:request )?"
    r"(?:names?|parameters?|fields?|arguments?|keys?|propert\w+|keyword)",
    r"\bunrecognized\b|\bcannot find field|\bno such (?:field|parameter)",
    r"\bextra (?:inputs?|fields?|keys?)\b[^.\n]{0,20}\bnot",
    r"\badditional properties are not",
)
INVALID_SCHEMA_WORDS = _any(
    r"^\W*(?:error: )?invalid (?:json )?schema",
    r"\bfailed to parse grammar|\brequired for format",  # llama.cpp, Ollama
    r"\bschema\b[^\n]{0,80}\b(?:nesting|depth|deep|properties|enum|states|complex\w*)",  # Gemini: it is too large
)

STATUSES: dict[int, re.Pattern[str]] = {
    400: re.compile(
        r"invalid(?:_|request|argument|parameter)\w*|bad_?request\w*|unsupported_\w+|validationexception|unprocessable\w*"
        r"|unknown_parameter|context_length\w*|string_above\w*|badrequesterror|missing|extra_forbidden|value_error\S*|\w+_type"
    ),
    404: re.compile(r"\w*not_?found\w*"),
    408: re.compile(r"(?:request_)?timeout(?:_?error)?|deadline_exceeded"),
    500: re.compile(r"api_error|server_error|internal\w*|unknown_error"),
    503: re.compile(r"(?:service_?)?unavailable\w*|engine_overloaded"),
}
"""HTTP statuses for codes of errors without a status, in a 200, a stream or a batch."""
