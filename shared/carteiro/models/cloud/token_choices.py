"""The tokens of a completion and their alternatives, in the field `logprobs` of a choice of Chat Completions
(https://platform.openai.com/docs/api-reference/chat/object).
"""

import math
from collections.abc import Mapping
from typing import Any

from carteiro.models.results import TokenChoice

_MAX_TOKENS = 10_000
_MAX_ALTERNATIVES = 20
"""The API gives no more."""


def read_token_choices(choice: Mapping[str, Any]) -> list[TokenChoice]:
    """Return the tokens of a choice; none if the server does not report them, or in another form."""
    reported = choice.get("logprobs")
    content = reported.get("content") if isinstance(reported, Mapping) else None
    if not isinstance(content, list) or len(content) > _MAX_TOKENS:
        return []
    found = [_read_token(each) for each in content]
    return [each for each in found if each] if all(found) else []


def _read_token(token: Any) -> TokenChoice | None:
    if not isinstance(token, Mapping) or not isinstance(token.get("token"), str):
        return None
    alternatives = token.get("top_logprobs")
    listed = alternatives[:_MAX_ALTERNATIVES] if isinstance(alternatives, list) else []
    known = [each for each in listed if isinstance(each, Mapping)]
    return TokenChoice(
        token["token"],
        {
            each["token"]: float(each["logprob"])
            for each in known
            if isinstance(each.get("token"), str)
            and isinstance(each.get("logprob"), int | float)
            and math.isfinite(each["logprob"])
        },
    )
