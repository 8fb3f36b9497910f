"""`openvino:`: a directory or a GGUF file, by OpenVINO."""

from functools import partial

from carteiro.models.local.engine_factory import open_engine_model
from carteiro.models.provider import Provider

PROVIDER = Provider(
    scheme="openvino",
    form="openvino:NAME (a directory, a GGUF file, or smollm2)",
    open=partial(open_engine_model, engine="openvino"),
)
