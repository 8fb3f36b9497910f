"""Refusal of a call in the tier `flex`, as OpenAI documents it: a 429 that is not charged
(https://developers.openai.com/api/docs/guides/flex-processing).
"""

from tests.provider.completions import Json

NO_FLEX_CAPACITY: Json = {
    "error": {
        "message": "Resource unavailable: there is no capacity for flex processing now.",
        "type": "resource_unavailable",
        "param": None,
        "code": "resource_unavailable",
    }
}
