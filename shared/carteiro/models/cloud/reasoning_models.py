"""Names of models that reason before they answer.

A limit of output tokens bounds their reasoning too, so a limit that the service chose is not sent to them. A model that
is missing here is recognised by its first empty answer. Sources: the providers' model pages
(https://platform.openai.com/docs/guides/reasoning, https://ai.google.dev/gemini-api/docs/thinking,
https://api-docs.deepseek.com/guides/reasoning_model, https://docs.mistral.ai/capabilities/reasoning,
https://docs.x.ai/docs/guides/reasoning, https://docs.z.ai/guides/capabilities/thinking-mode,
https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model, https://platform.minimax.io/docs) and the models'
cards at https://huggingface.co.
"""

import re

_REASONING_NAMES = (
    r"gpt-?(5|[6-9])",
    r"gpt-?oss",
    r"o[1-9]",  # OpenAI's o1, o3, o4-mini and so on
    r"codex",
    r"gemini-?(2[.-]?5|[3-9])",
    r"gemini-(pro|flash|flash-lite)-latest",
    r"deepseek-?(reasoner|r\d|v3[.-][1-9]|v[4-9])",
    r"r1",  # Distilled models, and models of other makers: r1-1776.
    r"qwq",
    r"qvq",
    r"qwen-?(3|[4-9])",
    r"magistral",
    r"grok-(3-mini|code|[4-9])",
    r"kimi-k(2[.-]5|[3-9])",
    r"glm-(4[.-][5-9]|[5-9]|z\d)",
    r"minimax-?m\d",
    r"nemotron",
    r"exaone-(deep|4)",
    r"seed-oss",
    r"hunyuan-(t1|a13b)",
    r"step-?3",
    r"smollm3",
    r"mimo",
    r"intern-s1",
    r"ring",
    r"openthinker",
    r"skywork-or1",
    r"marco-o1",
    r"sonar-deep-research",
)
_REASONING_MODEL = re.compile(
    # A letter or a digit before or after the name makes it a part of another word, such as `foo1` or `o365`.
    rf"(?<![a-z0-9])(?:{'|'.join(_REASONING_NAMES)})(?![0-9])|deep-research|think(?:ing|er)|reason(?:er|ing)"
)
_NON_REASONING_MODEL = re.compile(r"non-?(?:thinking|reasoning)|no-?think|(?<![a-z])chat-latest")


def is_reasoning_model(model: str) -> bool:
    """Return True if a model of this name reasons before it answers. Prefixes (`openai/gpt-5-mini`,
    `accounts/x/models/deepseek-r1`) and other words around the name in a deployment are ignored.
    """
    name = model.lower().replace("_", "-")
    return bool(_REASONING_MODEL.search(name)) and not _NON_REASONING_MODEL.search(name)
