"""`ctranslate2:`: a translator, by CTranslate2."""

from functools import partial

from carteiro.models.local.engine_factory import open_engine_model
from carteiro.models.provider import Provider

PROVIDER = Provider(
    scheme="ctranslate2", form="ctranslate2:DIRECTORY", open=partial(open_engine_model, engine="ctranslate2")
)
