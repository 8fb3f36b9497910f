"""`llamacpp:`: a GGUF file, by llama.cpp."""

from functools import partial

from carteiro.models.local.engine_factory import open_engine_model
from carteiro.models.provider import Provider

PROVIDER = Provider(
    scheme="llamacpp",
    form="llamacpp:FILE (a GGUF file, or smollm2)",
    open=partial(open_engine_model, engine="llamacpp"),
)
